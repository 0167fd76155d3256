"""What the migrations wrote, put back after each test that commits: by the database, in a few milliseconds.

Django's own way, TRUNCATE of every table and the rows read one by one, takes a hundred times as long.
"""

from django.db import connection

NOT_EMPTIED = "django_migrations"

TABLES = """
    SELECT quote_ident(tablename), string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position)
    FROM pg_tables JOIN information_schema.columns ON table_schema = schemaname AND table_name = tablename
    WHERE schemaname = 'public' AND is_generated = 'NEVER' AND tablename <> %s GROUP BY tablename"""
SEQUENCES = """
    SELECT quote_literal('public.' || quote_ident(sequencename)), start_value, last_value
    FROM pg_sequences WHERE schemaname = 'public'"""


def keep() -> None:
    """The tables as they stand now are those that each such test leaves."""
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS kept CASCADE; CREATE SCHEMA kept")
        cursor.execute(TABLES, [NOT_EMPTIED])
        steps = []
        for table, columns in cursor.fetchall():
            steps.append(f"DELETE FROM public.{table};")
            cursor.execute(f"SELECT EXISTS (SELECT 1 FROM public.{table})")
            if cursor.fetchone()[0]:
                cursor.execute(f"CREATE TABLE kept.{table} AS SELECT {columns} FROM public.{table}")
                steps.append(
                    f"INSERT INTO public.{table} ({columns}) OVERRIDING SYSTEM VALUE "
                    f"SELECT {columns} FROM kept.{table};"
                )
        cursor.execute(SEQUENCES)
        for name, start, last in cursor.fetchall():  # the rows have their numbers back: the next ones come after them
            steps.append(f"PERFORM setval({name}, {last or start}, {last is not None});")
        # As a replica: no foreign key looks, the audit's triggers let its lines go.
        cursor.execute(
            "CREATE FUNCTION kept.put_back() RETURNS void LANGUAGE plpgsql SET session_replication_role = replica "
            f"AS $$ BEGIN {' '.join(steps)} END $$"
        )


def put_back() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT kept.put_back()")


def alone() -> None:
    """End what a served page or a thread left open: the database is about to be dropped."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    connection.close()
