// Swagger UI takes settings, even another document, from the address. Nobody may be sent here with such.
if (window.location.search) {
  window.history.replaceState(null, "", window.location.pathname + window.location.hash);
}
window.ui = SwaggerUIBundle({
  url: "/swagger.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  defaultModelsExpandDepth: 0,
  validatorUrl: null,
  presets: [SwaggerUIBundle.presets.apis],
});
