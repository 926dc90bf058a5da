"""How the hub's tables came to be, step by step."""

from __future__ import annotations

# Each entry takes a database from the version of its index to the next; never change one that
# was released, add another. The words are SQLite's; `weft.hub.postgres` translates them.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE runs (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        name TEXT UNIQUE,
        state TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        ended_us INTEGER,
        query TEXT NOT NULL,
        task TEXT NOT NULL,
        task_type TEXT NOT NULL,
        entity TEXT NOT NULL,
        history TEXT NOT NULL,
        project TEXT NOT NULL,
        plan_digest TEXT NOT NULL,
        parameters TEXT NOT NULL,
        results TEXT NOT NULL DEFAULT '{}',
        report TEXT,
        error TEXT,
        host TEXT NOT NULL,
        pid INTEGER NOT NULL,
        process TEXT NOT NULL
    );
    CREATE INDEX runs_by_plan ON runs (plan_digest);
    CREATE TABLE models (
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        run_id TEXT NOT NULL,
        digest TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        metrics TEXT NOT NULL,
        tags TEXT NOT NULL,
        PRIMARY KEY (name, version)
    );
    CREATE INDEX models_by_run ON models (run_id);
    CREATE TABLE last_versions (
        name TEXT NOT NULL PRIMARY KEY,
        version INTEGER NOT NULL
    );
    CREATE TABLE aliases (
        name TEXT NOT NULL,
        alias TEXT NOT NULL,
        version INTEGER NOT NULL,
        PRIMARY KEY (name, alias),
        FOREIGN KEY (name, version) REFERENCES models (name, version) ON DELETE CASCADE
    );
    CREATE TABLE edges (
        made TEXT NOT NULL,
        used TEXT NOT NULL,
        via TEXT NOT NULL,
        run_id TEXT NOT NULL,
        PRIMARY KEY (made, used, via, run_id)
    ) WITHOUT ROWID;
    CREATE INDEX edges_by_used ON edges (used);
    """,
    # Models become one kind of what is published; aliases get a history.
    """
    CREATE TABLE published (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        digest TEXT NOT NULL,
        created_us INTEGER NOT NULL,
        run_id TEXT NOT NULL,
        owner TEXT NOT NULL,
        description TEXT NOT NULL,
        tags TEXT NOT NULL,
        metrics TEXT NOT NULL,
        facts TEXT NOT NULL,
        deprecated TEXT,
        PRIMARY KEY (kind, name, version)
    );
    CREATE INDEX published_by_run ON published (run_id);
    CREATE INDEX published_by_digest ON published (digest);
    INSERT INTO published
        SELECT 'model', name, version, digest, created_us, run_id, '', '', tags, metrics, '{}', NULL
        FROM models;
    CREATE TABLE last_numbers (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        version INTEGER NOT NULL,
        PRIMARY KEY (kind, name)
    );
    INSERT INTO last_numbers SELECT 'model', name, version FROM last_versions;
    CREATE TABLE pointers (
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        alias TEXT NOT NULL,
        version INTEGER NOT NULL,
        PRIMARY KEY (kind, name, alias),
        FOREIGN KEY (kind, name, version) REFERENCES published (kind, name, version) ON DELETE CASCADE
    );
    INSERT INTO pointers SELECT 'model', name, alias, version FROM aliases;
    CREATE TABLE alias_changes (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        alias TEXT NOT NULL,
        version INTEGER NOT NULL,
        action TEXT NOT NULL,
        at_us INTEGER NOT NULL,
        who TEXT NOT NULL,
        reason TEXT NOT NULL
    );
    CREATE INDEX alias_changes_by_name ON alias_changes (kind, name, alias);
    INSERT INTO alias_changes (kind, name, alias, version, action, at_us, who, reason)
        SELECT 'model', a.name, a.alias, a.version, 'set', m.created_us, '', ''
        FROM aliases a JOIN models m ON m.name = a.name AND m.version = a.version;
    DROP TABLE aliases;
    DROP TABLE models;
    DROP TABLE last_versions;
    """,
)
