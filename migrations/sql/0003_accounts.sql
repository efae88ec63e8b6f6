-- People who sign in, what they may do, and their sessions.
CREATE TABLE accounts (
    id         uuid PRIMARY KEY DEFAULT uuidv7(),
    email      citext NOT NULL UNIQUE,
    name       text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT busload_now(),
    erased_at  timestamptz
);

CREATE TABLE account_roles (
    account_id  uuid NOT NULL REFERENCES accounts,
    role        text NOT NULL CHECK (role IN ('organiser', 'operator', 'partner')),
    operator_id uuid,
    partner_id  uuid,
    granted_at  timestamptz NOT NULL DEFAULT busload_now(),
    CHECK ((role = 'operator') = (operator_id IS NOT NULL)),
    CHECK ((role = 'partner') = (partner_id IS NOT NULL)),
    UNIQUE NULLS NOT DISTINCT (account_id, role, operator_id, partner_id)
);

-- Single use, ten minutes, bound to the browser that asked, consumed by POST.
CREATE TABLE sign_in_links (
    token_hash   bytea PRIMARY KEY,
    email        citext NOT NULL,
    browser_hash bytea NOT NULL,
    next_path    text NOT NULL DEFAULT '/',
    expires_at   timestamptz NOT NULL,
    used_at      timestamptz
);

CREATE TABLE sessions (
    id         uuid PRIMARY KEY DEFAULT uuidv7(),
    account_id uuid NOT NULL REFERENCES accounts,
    token_hash bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT busload_now(),
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz
);
