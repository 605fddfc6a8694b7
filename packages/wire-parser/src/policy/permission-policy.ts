// SPDX-License-Identifier: Apache-2.0
import type { OperationView } from '../operation.ts'
import type { Pattern } from '../pattern.ts'
import { type AllowDeny, compilePermissions, type PermissionRules, type Permissions } from '../permissions.ts'
import type { TemplateValues } from '../template-values.ts'
import type { Denial } from './denial.ts'
import { checkBoolean, checkKeys, checkWord } from './option-check.ts'
import { ResponsePermission, type ResponsePermissionOptions, resolveResponses } from './response-permission.ts'
import { SubjectVerdicts } from './subject-verdicts.ts'

/** What every client may publish and subscribe to, beside what its principal may. */
export interface PermissionPolicyOptions {
  /** Patterns with the principal's placeholders, such as `room.{{name}}.>`. Default: all. */
  readonly publish?: AllowDeny
  /** The same for subscriptions; an entry may end in a blank and a queue pattern. Default: all. */
  readonly subscribe?: AllowDeny
  /**
   * Lets a client publish to the reply subjects that were delivered to it. With it, publishing is otherwise refused unless
   * `publish.allow` is given. Default false.
   */
  readonly allowResponses?: boolean | ResponsePermissionOptions
  /** Whether `$SYS.>` may be used. Default `allow`: the server has its own permissions. */
  readonly systemSubjects?: 'allow' | 'deny'
  /** Whether `$JS.>`, `$KV.>` and `$O.>` may be used. Default `allow`. */
  readonly jetStream?: 'allow' | 'deny'
  /** Which way messages may go: `publish` refuses every subscription, `subscribe` every publish. Default `both`. */
  readonly direction?: 'both' | 'publish' | 'subscribe'
  /** Reports what would be refused and refuses nothing. Default false. */
  readonly dryRun?: boolean
}

/** Checked rules, still to be filled with the values of a principal. */
export interface PermissionPolicy {
  readonly rules: PermissionRules
  readonly responses: Required<ResponsePermissionOptions> | undefined
  readonly dryRun: boolean
  /** The compiled rules where they are the same for everybody. */
  readonly shared: Permissions | undefined
}

const keys = ['publish', 'subscribe', 'allowResponses', 'systemSubjects', 'jetStream', 'direction', 'dryRun'] as const
const systemPatterns = ['$SYS.>']
const jetStreamPatterns = ['$JS.>', '$KV.>', '$O.>']

/** Checks the options; throws TypeError or RangeError naming what is wrong. */
export function resolvePermissionPolicy(where: string, options: PermissionPolicyOptions): PermissionPolicy {
  checkKeys(where, options, keys)
  const { publish = {}, subscribe = {} } = options
  const responses = resolveResponses(`${where}.allowResponses`, options.allowResponses)
  const direction = checkWord(`${where}.direction`, options.direction, ['both', 'publish', 'subscribe'], 'both')
  const deny = deniedPatterns(where, options)
  const nothing = { allow: [] }
  const onlyResponses = responses !== undefined && publish.allow === undefined
  const rules: PermissionRules = {
    publish: direction === 'subscribe' || onlyResponses ? nothing : denying(publish, deny),
    subscribe: direction === 'publish' ? nothing : denying(subscribe, deny),
  }
  compilePermissions({ publish, subscribe })
  const isShared = !JSON.stringify(rules).includes('{{')
  return Object.freeze({
    rules,
    responses: direction === 'subscribe' ? undefined : responses,
    dryRun: checkBoolean(`${where}.dryRun`, options.dryRun, false),
    shared: isShared ? compilePermissions(rules) : undefined,
  })
}

function deniedPatterns(where: string, { systemSubjects, jetStream }: PermissionPolicyOptions): string[] {
  const words = ['allow', 'deny'] as const
  const system = checkWord(`${where}.systemSubjects`, systemSubjects, words, 'allow')
  const streams = checkWord(`${where}.jetStream`, jetStream, words, 'allow')
  return [...(system === 'deny' ? systemPatterns : []), ...(streams === 'deny' ? jetStreamPatterns : [])]
}

function denying(lists: AllowDeny, deny: readonly string[]): AllowDeny {
  return deny.length === 0 ? lists : { ...lists, deny: [...(lists.deny ?? []), ...deny] }
}

/** Compiled permissions of one connection, asked about each of its operations. */
export class PermissionCheck {
  readonly #permissions: Permissions
  readonly #publish: SubjectVerdicts
  readonly #deliver: SubjectVerdicts
  readonly #responses: ResponsePermission | undefined
  readonly #rule: string
  readonly #dryRun: boolean

  constructor(
    permissions: Permissions,
    options: { readonly rule: string; readonly dryRun: boolean; readonly responses: ResponsePermission | undefined },
  ) {
    this.#permissions = permissions
    this.#rule = options.rule
    this.#dryRun = options.dryRun
    this.#responses = options.responses
    this.#publish = new SubjectVerdicts((subject) => permissions.allows('publish', subject))
    this.#deliver = new SubjectVerdicts((subject) => permissions.allows('deliver', subject))
  }

  /** The check that a policy makes of a connection with these values. */
  static ofPolicy(policy: PermissionPolicy, values: TemplateValues): PermissionCheck {
    const permissions = policy.shared ?? compilePermissions(policy.rules, values)
    const responses = policy.responses === undefined ? undefined : new ResponsePermission(policy.responses)
    return new PermissionCheck(permissions, { rule: 'permissions', dryRun: policy.dryRun, responses })
  }

  /** The check of a principal's own permissions. */
  static ofPrincipal(permissions: Permissions): PermissionCheck {
    return new PermissionCheck(permissions, { rule: 'principal', dryRun: false, responses: undefined })
  }

  publish(view: OperationView): Denial | undefined {
    if (this.#publish.of(view)) return undefined
    return this.#responses?.take(view.subject) === true ? undefined : this.#publishDenial(view.subject)
  }

  publishText(subject: string): Denial | undefined {
    if (this.#publish.ofText(subject)) return undefined
    return this.#responses?.take(subject) === true ? undefined : this.#publishDenial(subject)
  }

  subscribe(subject: string, queue: string | undefined): Denial | undefined {
    if (this.#permissions.allows('subscribe', subject, queue)) return undefined
    return this.#denial('subscribe_denied', subscribeText(subject, queue))
  }

  /** The refusal of a subscription that no rule can be compared with. */
  refuses(subject: string, queue: string | undefined): Denial {
    return this.#denial('subscribe_denied', subscribeText(subject, queue))
  }

  /** Whether messages of such a subscription have to be asked about one by one. */
  isPartial(pattern: Pattern, queue: string | undefined): boolean {
    return !this.#dryRun && this.#permissions.covers('subscribe', pattern, queue) !== 'all'
  }

  delivers(view: OperationView): boolean {
    return this.#dryRun || this.#deliver.of(view)
  }

  /** Notes the reply subject of a message on its way to the client. */
  delivered(view: OperationView): void {
    if (this.#responses !== undefined && view.replyStart !== view.replyEnd) this.#responses.note(view.replyTo ?? '')
  }

  get notesReplies(): boolean {
    return this.#responses !== undefined
  }

  #publishDenial(subject: string): Denial {
    return this.#denial('publish_denied', publishText(subject))
  }

  #denial(code: 'publish_denied' | 'subscribe_denied', text: string): Denial {
    return { policy: 'permission', rule: this.#rule, code, text, closes: false, dryRun: this.#dryRun }
  }
}

/** What nats-server says of a PUB it does not allow. */
export function publishText(subject: string): string {
  return `Permissions Violation for Publish to "${subject}"`
}

/** What nats-server says of a SUB it does not allow. */
export function subscribeText(subject: string, queue: string | undefined): string {
  const group = queue === undefined ? '' : ` using queue "${queue}"`
  return `Permissions Violation for Subscription to "${subject}"${group}`
}
