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
)
