-- A cell: a set of sellers with everything their journal needs, in a schema of its own. No foreign key, lock or
-- sequence spans cells or sellers, and every table has a primary key, so that a cell can move to another server.

CREATE SCHEMA cell_00;

-- One row: who may write. Every flush locks it FOR NO KEY UPDATE and proves its epoch in the same statement.
CREATE TABLE cell_00.lease (
    id          smallint PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    epoch       bigint NOT NULL DEFAULT 0,
    owner       text,
    expires_at  timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 20);   -- renewed every second: room for updates in place
INSERT INTO cell_00.lease DEFAULT VALUES;

-- The journal. What each column means stands in journal/entry.py. The id is derived, the previous hash is the
-- previous row's, and position is the order in which the cell wrote, outside the seller's hash.
CREATE TABLE cell_00.entries (
    seller_id        uuid    NOT NULL,
    seq              bigint  NOT NULL CHECK (seq > 0),
    position         bigint  NOT NULL CHECK (position > 0),
    at_us            bigint  NOT NULL CHECK (at_us > 0),
    amount           bigint  NOT NULL CHECK (amount BETWEEN -1000000000000000000 AND 1000000000000000000),
    held_change      bigint  NOT NULL CHECK (held_change BETWEEN -1000000000000000000 AND 1000000000000000000),
    available_after  bigint  NOT NULL CHECK (available_after <= 1000000000000000000),
    held_after       bigint  NOT NULL CHECK (held_after BETWEEN 0 AND 1000000000000000000),
    credit_limit     bigint  NOT NULL CHECK (credit_limit >= 0),
    made_by          uuid,
    subject_id       uuid,
    by_admin         boolean NOT NULL CHECK (NOT by_admin OR made_by <> seller_id),
    type             text    NOT NULL,
    idempotency_key  text    CHECK (length(idempotency_key) BETWEEN 1 AND 255),
    request_hash     bytea   CHECK (length(request_hash) = 16),
    phone_number     text,
    reference        text,
    reason           text,
    details          text,
    hash             bytea   NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (seller_id, seq),
    CHECK (available_after + credit_limit >= 0),
    CHECK ((idempotency_key IS NULL) = (request_hash IS NULL)),
    -- The accounts that an amount moves between follow from its type: see journal/entry.py.
    CHECK (CASE type
        WHEN 'charge'     THEN amount < 0 AND held_change = 0
        WHEN 'hold'       THEN amount < 0 AND held_change = -amount
        WHEN 'capture'    THEN amount = 0 AND held_change < 0
        WHEN 'void'       THEN amount > 0 AND held_change = -amount
        WHEN 'expiry'     THEN amount > 0 AND held_change = -amount
        WHEN 'refund'     THEN amount > 0 AND held_change = 0
        WHEN 'credit'     THEN amount > 0 AND held_change = 0
        WHEN 'adjustment' THEN amount <> 0 AND held_change = 0
        WHEN 'opened'           THEN amount = 0 AND held_change = 0
        WHEN 'credit_requested' THEN amount = 0 AND held_change = 0
        WHEN 'credit_endorsed'  THEN amount = 0 AND held_change = 0
        WHEN 'credit_rejected'  THEN amount = 0 AND held_change = 0
        WHEN 'credit_cancelled' THEN amount = 0 AND held_change = 0
        WHEN 'declined'         THEN amount = 0 AND held_change = 0
        WHEN 'suspended'        THEN amount = 0 AND held_change = 0
        WHEN 'reinstated'       THEN amount = 0 AND held_change = 0
        WHEN 'limit_changed'    THEN amount = 0 AND held_change = 0
        ELSE false END)
);
CREATE UNIQUE INDEX entries_position ON cell_00.entries (position);
-- Exactly once, for ever: a key is used up by one entry of its side. The key, as the phone number and the reference
-- below, comes before the seller, so that an admin's search over all sellers finds its few rows at once.
CREATE UNIQUE INDEX entries_idempotency_key ON cell_00.entries (idempotency_key, seller_id, by_admin)
    WHERE idempotency_key IS NOT NULL;
CREATE INDEX entries_phone_number ON cell_00.entries (phone_number, seller_id, seq) WHERE phone_number IS NOT NULL;
CREATE INDEX entries_reference ON cell_00.entries (reference, seller_id, seq) WHERE reference IS NOT NULL;
CREATE INDEX entries_subject ON cell_00.entries (seller_id, subject_id, seq) WHERE subject_id IS NOT NULL;
-- The rare types: a page of them must not read a million charges. A plain charge, the type that is hot, is in neither
-- of these indexes: lists of charges find one wherever they look. The amounts serve statements.
CREATE INDEX entries_type ON cell_00.entries (seller_id, type, seq) INCLUDE (amount) WHERE type <> 'charge';
CREATE INDEX entries_type_position ON cell_00.entries (type, position) WHERE type <> 'charge';

-- Projections (journal/projections.py): derived from the entries, written in the same statement, rebuilt by verify.
CREATE TABLE cell_00.accounts (
    seller_id     uuid PRIMARY KEY,
    currency      text NOT NULL,
    is_suspended  boolean NOT NULL,
    credit_limit  bigint NOT NULL
);
CREATE INDEX accounts_suspended ON cell_00.accounts (seller_id) WHERE is_suspended;

CREATE TABLE cell_00.charges (
    seller_id      uuid   NOT NULL,
    seq            bigint NOT NULL,
    id             uuid   NOT NULL,
    status         text   NOT NULL,
    amount         bigint NOT NULL,
    refunded       bigint NOT NULL,
    expires_at_us  bigint,
    last_seq       bigint NOT NULL,
    PRIMARY KEY (seller_id, seq)
);
CREATE INDEX charges_status ON cell_00.charges (seller_id, status, seq);
CREATE INDEX charges_status_id ON cell_00.charges (status, id);
CREATE INDEX charges_expiry ON cell_00.charges (expires_at_us) WHERE status = 'pending';

CREATE TABLE cell_00.credit_requests (
    seller_id        uuid   NOT NULL,
    seq              bigint NOT NULL,
    id               uuid   NOT NULL,
    status           text   NOT NULL,
    amount           bigint NOT NULL,
    note             text,
    requested_at_us  bigint NOT NULL,
    approvals        text   NOT NULL,    -- JSON: [{"by": user id, "at_us": microseconds}]
    decision_note    text,
    decided_by       uuid,
    decided_at_us    bigint,
    last_seq         bigint NOT NULL,
    PRIMARY KEY (seller_id, seq)
);
CREATE INDEX credit_requests_id ON cell_00.credit_requests (id);
CREATE INDEX credit_requests_status_id ON cell_00.credit_requests (status, id);
CREATE INDEX credit_requests_status ON cell_00.credit_requests (seller_id, status, seq);

-- The trail is immutable: for the service by its role, for everybody else by a trigger, and for whoever
-- removes the trigger by the hash chain.
CREATE FUNCTION cell_00.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the journal can only be appended to: % refused', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER entries_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON cell_00.entries
    FOR EACH STATEMENT EXECUTE FUNCTION cell_00.refuse_change();

GRANT USAGE ON SCHEMA cell_00 TO charge_shop_service;
GRANT SELECT, INSERT ON cell_00.entries TO charge_shop_service;
GRANT SELECT, UPDATE ON cell_00.lease TO charge_shop_service;
GRANT SELECT, INSERT, UPDATE ON cell_00.accounts, cell_00.charges, cell_00.credit_requests TO charge_shop_service;
