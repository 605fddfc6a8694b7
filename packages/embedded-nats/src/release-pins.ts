// SPDX-License-Identifier: Apache-2.0

/** Versions below this have published vulnerabilities that these have fixed; they run, with a warning. */
export const natsServerFloor = '>=2.12.12 <2.13 || >=2.14.3'

/** The oldest version this project is tested with. */
export const oldestVersion = '>=2.9.10'

/** Release archives that are known byte for byte; nothing else is ever downloaded and run. */
export interface ReleasePins {
  readonly version: string
  /** SHA-256 of the archive by `<os>-<arch>`, as the archives are named. */
  readonly sha256: ReadonlyMap<string, string>
}

/** The pinned official release; the sums are those of the official Docker image's sources. */
export const releasePins: ReleasePins = {
  version: '2.14.5',
  sha256: new Map([
    ['linux-amd64', '5e3b603d47c447bda1f77f9ac16dbf91c90aac4ff3681f8fbbc7201e4ed99355'],
    ['linux-arm64', '673a98d3faa79dde3f9ebf16d6dfac36a5f694e7ad2015e4954dd7939c85cd4c'],
  ]),
}

/** The Go module of the server, and the versions built from it: the second one for Go toolchains too old for the first. */
export const goModule = 'github.com/nats-io/nats-server/v2'
export const goVersions = { current: '2.15.2', olderGo: '2.10.22' } as const
