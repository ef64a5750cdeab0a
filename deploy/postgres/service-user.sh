#!/bin/sh
# Makes the user that API and relay log in as. It owns nothing: it may only take on the role paycore_app, to which
# `paycore migrate`, run by the owner, grants what the service does. The postgres image runs this once, on an empty volume.
set -eu
: "${PAYCORE_SERVICE_PASSWORD:?set it}"
psql --set=ON_ERROR_STOP=1 --no-psqlrc --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" <<'SQL'
\getenv password PAYCORE_SERVICE_PASSWORD
CREATE ROLE paycore_app NOLOGIN;
CREATE ROLE paycore_service LOGIN NOINHERIT PASSWORD :'password' IN ROLE paycore_app;
SQL
