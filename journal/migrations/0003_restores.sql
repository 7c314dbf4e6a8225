-- A journal that was restored from a backup lacks what was acknowledged after it. The cell is then frozen: it may be
-- read, and takes no entries, until an operator confirms. Both facts are kept for ever, like the entries.

-- The flush looks at the lease's row anyway, so that a frozen journal is fenced off by the same statement.
ALTER TABLE cell_00.lease ADD COLUMN is_frozen boolean NOT NULL DEFAULT false;

CREATE TABLE cell_00.restores (
    number          integer PRIMARY KEY CHECK (number > 0),
    restored_at     timestamptz NOT NULL,
    restored_by     text NOT NULL,      -- user of the operating system
    backup_made_at  timestamptz,        -- unknown of a backup that was made by other tools
    last_position   bigint NOT NULL CHECK (last_position >= 0),
    epoch           bigint NOT NULL     -- the first that is not of the journal that the backup was made of
);

CREATE TABLE cell_00.restore_confirmations (
    number        integer PRIMARY KEY REFERENCES cell_00.restores,
    confirmed_at  timestamptz NOT NULL,
    confirmed_by  text NOT NULL         -- user of the operating system
);

CREATE TRIGGER restores_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON cell_00.restores
    FOR EACH STATEMENT EXECUTE FUNCTION cell_00.refuse_change();
CREATE TRIGGER restore_confirmations_are_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON cell_00.restore_confirmations
    FOR EACH STATEMENT EXECUTE FUNCTION cell_00.refuse_change();

-- The owner alone freezes and confirms: the service may use the lease, but not thaw it.
REVOKE UPDATE ON cell_00.lease FROM charge_shop_service;
GRANT UPDATE (epoch, owner, expires_at) ON cell_00.lease TO charge_shop_service;
GRANT SELECT ON cell_00.restores, cell_00.restore_confirmations TO charge_shop_service;
