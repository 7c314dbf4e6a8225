"""The description of the API, `/swagger.json`, made from the types that decode and encode, and its pages."""
