// SPDX-License-Identifier: Apache-2.0
import {
  type Authenticator,
  credsAuthenticator,
  jwtAuthenticator,
  nkeyAuthenticator,
  nkeys,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/nats-core'
import { credsFile, Operator } from './credentials.ts'

/** One way to say who a client is: what the server has to know, and who comes. */
export interface Login {
  readonly name: string
  readonly config: string
  /** Those of the clients that are let in. */
  readonly letIn: readonly string[]
  readonly clients: Readonly<Record<string, Authenticator | undefined>>
}

const limited = 'permissions = { publish: { deny: ["denied.>"] }, subscribe: { deny: ["denied.>"] } }'

/** Each way to log in at a server, with those who are let in and those who are not. */
export function logins(): readonly Login[] {
  return [byPassword(), byAnonymous(), byToken(), byNkey(), byJwt()]
}

function byPassword(): Login {
  return {
    name: 'with user and password',
    config: `authorization { users = [ { user: ada, password: "s3cret", ${limited} } ] }`,
    letIn: ['right'],
    clients: {
      right: usernamePasswordAuthenticator('ada', 's3cret'),
      wrong: usernamePasswordAuthenticator('ada', 'guess'),
      stranger: usernamePasswordAuthenticator('eve', 's3cret'),
      nobody: undefined,
    },
  }
}

function byAnonymous(): Login {
  return {
    name: 'as the user for those who say nothing',
    config: `authorization { users = [ { user: guest, password: "x", ${limited} } ] }\nno_auth_user: guest`,
    letIn: ['nobody'],
    clients: { nobody: undefined, wrong: usernamePasswordAuthenticator('guest', 'y') },
  }
}

function byToken(): Login {
  return {
    name: 'with a token',
    config: 'authorization { token: "t0ken" }',
    letIn: ['right'],
    clients: { right: tokenAuthenticator('t0ken'), wrong: tokenAuthenticator('other'), nobody: undefined },
  }
}

function byNkey(): Login {
  const user = nkeys.createUser()
  return {
    name: 'with an nkey',
    config: `authorization { users = [ { nkey: ${user.getPublicKey()}, ${limited} } ] }`,
    letIn: ['right'],
    clients: {
      right: nkeyAuthenticator(user.getSeed()),
      stranger: nkeyAuthenticator(nkeys.createUser().getSeed()),
      nobody: undefined,
    },
  }
}

function byJwt(): Login {
  const operator = new Operator()
  const right = operator.user('right', { deny: ['denied.>'] })
  const expired = operator.user('late', { expiresAt: Math.floor(Date.now() / 1000) - 10 })
  const stranger = new Operator().user('stranger')
  return {
    name: 'with a JWT',
    config: operator.config,
    letIn: ['creds', 'jwt'],
    clients: {
      creds: creds(right),
      jwt: jwtAuthenticator(right.jwt, right.seed),
      expired: creds(expired),
      stranger: creds(stranger),
      'with the key of another': creds({ jwt: right.jwt, seed: stranger.seed }),
      nobody: undefined,
    },
  }
}

function creds({ jwt, seed }: { readonly jwt: string; readonly seed: Uint8Array }): Authenticator {
  return credsAuthenticator(new TextEncoder().encode(credsFile(jwt, seed)))
}
