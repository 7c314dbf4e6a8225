-- What belongs to the whole shop: who may sign in, with which credentials, and which cell a seller lives in.
-- Whatever changes what an account may do stands in the journal of its cell instead. The schema itself is made
-- by journal/migrate.py.

CREATE TABLE shop.users (
    id             uuid PRIMARY KEY,
    -- ASCII, so that "the same in another case" means the same thing on every server.
    username       text COLLATE "C" NOT NULL CHECK (username ~ '^[A-Za-z0-9@.+_-]{1,100}$'),
    role           text NOT NULL CHECK (role IN ('admin', 'seller')),
    password_hash  text NOT NULL,   -- argon2id in its encoded form, parameters included
    status         text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    created_at     timestamptz NOT NULL
);
CREATE UNIQUE INDEX users_username ON shop.users (lower(username));
CREATE INDEX users_admins ON shop.users (created_at, id) WHERE role = 'admin';

-- A token is known by the SHA-256 of its 256 random bits and never stored itself. Ended means deleted.
CREATE TABLE shop.tokens (
    digest      bytea PRIMARY KEY CHECK (octet_length(digest) = 32),
    user_id     uuid NOT NULL REFERENCES shop.users ON DELETE CASCADE,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL
);
CREATE INDEX tokens_user ON shop.tokens (user_id, created_at);
CREATE INDEX tokens_expiry ON shop.tokens (expires_at);

-- Revoked keys stay, so that it can be told which key existed when.
CREATE TABLE shop.api_keys (
    id            uuid PRIMARY KEY,
    user_id       uuid NOT NULL REFERENCES shop.users ON DELETE CASCADE,
    name          text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    prefix        text NOT NULL,   -- the first characters of the key, for people to tell their keys apart
    digest        bytea NOT NULL CONSTRAINT api_keys_digest UNIQUE CHECK (octet_length(digest) = 32),
    created_at    timestamptz NOT NULL,
    last_used_at  timestamptz,
    revoked_at    timestamptz
);
CREATE INDEX api_keys_user ON shop.api_keys (user_id, created_at, id) WHERE revoked_at IS NULL;

-- Every substring of one, two or three characters. An index on them finds any substring, with nothing but what
-- every server has: pg_trgm is an extension that may not be installed.
CREATE FUNCTION shop.grams(value text) RETURNS text[] LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(DISTINCT gram), '{}')
      FROM (SELECT string_to_array(value, NULL) AS characters) AS split,
           generate_series(1, cardinality(characters)) AS start,
           generate_series(0, least(2, cardinality(characters) - start)) AS more,
           array_to_string(characters[start : start + more], '') AS gram
$$;

CREATE TABLE shop.sellers (
    id          uuid PRIMARY KEY REFERENCES shop.users ON DELETE RESTRICT,
    name        text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 100),
    search      text NOT NULL,   -- username and name, case-folded by the service: servers' locales differ
    currency    text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
    cell        text NOT NULL DEFAULT 'cell_00',
    created_at  timestamptz NOT NULL
);
-- The seller's tag (journal/ids.py): entry ids end in it and lead back to their seller.
CREATE UNIQUE INDEX sellers_tag ON shop.sellers (right(id::text, 8));
CREATE INDEX sellers_newest ON shop.sellers (created_at, id);
CREATE INDEX sellers_search ON shop.sellers USING gin (shop.grams(search));

-- Verifications that were asked for over HTTP.
CREATE TABLE shop.verifications (
    id                   uuid PRIMARY KEY,
    status               text NOT NULL CHECK (status IN ('running', 'passed', 'failed')),
    sellers_done         bigint NOT NULL DEFAULT 0,
    sellers_total        bigint NOT NULL DEFAULT 0,
    entries_checked      bigint NOT NULL DEFAULT 0,
    first_bad_seller_id  uuid,
    first_bad_seq        bigint,
    first_bad_reason     text,
    started_at           timestamptz NOT NULL,
    finished_at          timestamptz
);
CREATE INDEX verifications_newest ON shop.verifications (started_at, id);

-- Instances keep credentials in memory. Whatever takes one away, by whichever path (the service, the command
-- line, a statement typed by hand), tells them whose it was; '*' stands for everybody's.
CREATE FUNCTION shop.tell_credentials() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM pg_notify('charge_shop_credentials', '*');
    ELSIF TG_TABLE_NAME = 'users' THEN
        PERFORM pg_notify('charge_shop_credentials', OLD.id::text);
    ELSE
        PERFORM pg_notify('charge_shop_credentials', OLD.user_id::text);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER users_tell AFTER DELETE OR UPDATE OF id, username, role, status ON shop.users
    FOR EACH ROW EXECUTE FUNCTION shop.tell_credentials();
CREATE TRIGGER users_tell_all AFTER TRUNCATE ON shop.users
    FOR EACH STATEMENT EXECUTE FUNCTION shop.tell_credentials();
CREATE TRIGGER tokens_tell AFTER DELETE OR UPDATE ON shop.tokens
    FOR EACH ROW EXECUTE FUNCTION shop.tell_credentials();
CREATE TRIGGER tokens_tell_all AFTER TRUNCATE ON shop.tokens
    FOR EACH STATEMENT EXECUTE FUNCTION shop.tell_credentials();
-- Not on every UPDATE: when a key was last used is written often, and revokes nothing.
CREATE TRIGGER api_keys_tell AFTER DELETE OR UPDATE OF id, user_id, digest, revoked_at ON shop.api_keys
    FOR EACH ROW EXECUTE FUNCTION shop.tell_credentials();
CREATE TRIGGER api_keys_tell_all AFTER TRUNCATE ON shop.api_keys
    FOR EACH STATEMENT EXECUTE FUNCTION shop.tell_credentials();

-- What the service does, and nothing else: users and keys are never deleted, tokens never changed.
GRANT SELECT, INSERT, UPDATE (password_hash, status) ON shop.users TO charge_shop_service;
GRANT SELECT, INSERT, DELETE ON shop.tokens TO charge_shop_service;
GRANT SELECT, INSERT, UPDATE (last_used_at, revoked_at) ON shop.api_keys TO charge_shop_service;
GRANT SELECT, INSERT, UPDATE (name, search) ON shop.sellers TO charge_shop_service;
GRANT SELECT, INSERT, UPDATE ON shop.verifications TO charge_shop_service;
