-- Accounts of a real ClickHouse. The embedded one has `default` and `analyst` already.
-- Run it once, as an administrator, after `rapport migrate`; put your own passwords in. Databases named otherwise
-- (RAPPORT_CLICKHOUSE_DATABASE) are replaced by name here.

-- The services' own account: makes and fills tables, nothing else.
CREATE USER IF NOT EXISTS rapport IDENTIFIED WITH sha256_password BY 'change me';
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP VIEW, ALTER, SELECT, INSERT, TRUNCATE, OPTIMIZE ON rapport.* TO rapport;
GRANT CREATE DATABASE, CREATE TABLE, CREATE VIEW, DROP VIEW, ALTER, SELECT, INSERT, TRUNCATE, OPTIMIZE ON rapport_store.* TO rapport;
GRANT SELECT ON system.tables TO rapport;
GRANT SELECT ON system.columns TO rapport;

-- Whoever asks: reads the views of rapport, changes nothing, and cannot take the server for itself. The views read the rows of
-- rapport_store with the rights of who asks, hence the second grant.
CREATE SETTINGS PROFILE IF NOT EXISTS rapport_reading SETTINGS readonly = 2, max_execution_time = 60, max_memory_usage = 4000000000, max_result_rows = 10000000;
CREATE ROLE IF NOT EXISTS rapport_analyst SETTINGS PROFILE 'rapport_reading';
GRANT SELECT ON rapport.* TO rapport_analyst;
GRANT SELECT ON rapport_store.* TO rapport_analyst;
CREATE USER IF NOT EXISTS analyst IDENTIFIED WITH sha256_password BY 'change me too';
GRANT rapport_analyst TO analyst;
SET DEFAULT ROLE rapport_analyst TO analyst;
