#!/bin/sh
# compose-secrets.sh [FOLDER]
#
# Makes what docker-compose.yml takes from ./secrets: a password for each database role, the broker's, Grafana's, and
# the key rings. What is there already stays: run it again after an update that needs one more. Keep a copy of
# FOLDER/keys: what the rings sealed is lost with them.
set -eu
umask 077
cd "$(dirname "$0")/.."
folder=${1:-secrets}

password() {  # FILE: made once; letters and digits only, so that it fits into an address as it is
    [ -s "$1" ] || { od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$1.part" && mv "$1.part" "$1"; }
}

mkdir -p "$folder/keys" "$folder/roles" "$folder/urls"
find "$folder" -type f -exec chmod 0600 {} +

password "$folder/postgres_password"
printf 'postgresql://postgres:%s@postgres/deskfactor' "$(cat "$folder/postgres_password")" >"$folder/urls/postgres"
for service in gateway otp_worker policy notifier audit operator; do
    role=deskfactor_$service
    password "$folder/roles/$role"
    printf 'postgresql://%s:%s@postgres/deskfactor' "$role" "$(cat "$folder/roles/$role")" >"$folder/urls/$service"
done

password "$folder/rabbitmq_password"
printf 'default_user = deskfactor\ndefault_pass = %s\nmax_message_size = 1048576\n' "$(cat "$folder/rabbitmq_password")" >"$folder/rabbitmq.conf"
printf 'amqp://deskfactor:%s@rabbitmq/' "$(cat "$folder/rabbitmq_password")" >"$folder/urls/amqp"
password "$folder/grafana_password"

if [ -x .venv/bin/python ]; then
    .venv/bin/python -m services.cli keyring init "$folder/keys"
else
    docker build --quiet --tag deskfactor:local . >/dev/null
    docker run --rm --user "$(id -u):$(id -g)" --volume "$(cd "$folder" && pwd)/keys:/keys" deskfactor:local \
        deskfactor keyring init /keys
fi

# Inside a container another user reads them. Out here the folder itself lets nobody in.
chmod 0700 "$folder"
find "$folder" -type f -exec chmod 0444 {} +
echo "$folder: ready."
