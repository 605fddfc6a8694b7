// SPDX-License-Identifier: Apache-2.0

/** What `--help` prints, per command; the empty name is the program itself. */
export const helpTexts: Readonly<Record<string, string>> = {
  '': `nats-edge: the gateway in front of NATS

Usage: nats-edge COMMAND [flags]

Commands:
  dev             a broker, the edge and a tour of it on this machine
  serve           the server
  config schema   the JSON Schema of the configuration
  config env      the environment variables and the keys they set
  version         versions of the edge, of Node and of the broker found

Examples:
  nats-edge dev --demo
  nats-edge serve -c nats-edge.yaml

nats-edge COMMAND --help tells more about a command.
Exit codes: 0 done, 1 failure, 2 usage or configuration, 3 NATS not reachable, 70 internal error, 130 second Ctrl-C.
`,
  dev: `nats-edge dev: a broker, the edge and a tour of it on this machine

Usage: nats-edge dev [flags]

Flags:
  --demo              also runs demo services, and prints lines that use them
  --port N            port of the public listener; default 8080
  --wire-port N       port for NATS clients; default 4223, any free one with --port 0
  --nats URL          uses this broker instead of running one
  -c, --config FILE   configuration; may be repeated
  --set KEY=VALUE     one setting, over files and environment; may be repeated
  --lenient           unknown keys are warnings
  --json              configuration errors as JSON
  -h, --help

Examples:
  nats-edge dev --demo
  nats-edge dev --nats nats://127.0.0.1:4222 --port 9000
`,
  serve: `nats-edge serve: the server

Usage: nats-edge serve [flags]

Flags:
  -c, --config FILE   configuration; may be repeated, later files over earlier ones
                      default: ./nats-edge.{yaml,yml,json}, then $XDG_CONFIG_HOME/nats-edge/config.*,
                      then /etc/nats-edge/config.*, the first that exists
  --set KEY=VALUE     one setting, over files and environment; may be repeated
  --insecure          listens beyond loopback although nobody has to log in
  --lenient           unknown keys are warnings
  --json              configuration errors as JSON
  -h, --help

Examples:
  nats-edge serve -c nats-edge.yaml
  nats-edge serve --set nats.servers=nats://broker:4222 --set limits.body.max=2MiB
  NATS_EDGE_LOG_LEVEL=debug nats-edge serve
`,
  config: `nats-edge config: what can be configured

Usage: nats-edge config schema | env

  schema   the JSON Schema (2020-12) of a configuration file
  env      every environment variable and the key it sets

Example:
  nats-edge config schema > nats-edge.schema.json
`,
  version: `nats-edge version: versions of the edge, of Node and of the broker found

Usage: nats-edge version [--json]

Example:
  nats-edge version --json
`,
}
