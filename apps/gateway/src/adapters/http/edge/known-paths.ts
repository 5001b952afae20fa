import type { FastifyInstance } from 'fastify';

interface Known {
  readonly segments: readonly string[];
  readonly methods: Set<string>;
}

/** Which methods a path has, for the answers 405 and to preflight requests. The router itself only says that it knows no such pair. */
export class KnownPaths {
  private readonly bySegmentCount = new Map<number, Known[]>();

  /** Learns every route that is added to `instance` from now on. Routes with a wildcard are left out: no path that they miss is theirs. */
  constructor(instance: FastifyInstance) {
    instance.addHook('onRoute', ({ url, method }) => {
      if (!url.includes('*')) this.add(url, [method].flat());
    });
  }

  /**
   * The methods of a path as it was sent, without its query, in order; empty when there is no such path. Linear in the length of the path.
   * All routes that match count: `/v1/conversations/end` takes the POST of its own route, and the GET of `/v1/conversations/:conversationId`.
   */
  methodsOf(path: string): readonly string[] {
    const segments = path.split('/');
    const known = (this.bySegmentCount.get(segments.length) ?? []).filter((candidate) => matches(candidate, segments));
    return [...new Set(known.flatMap(({ methods }) => [...methods]))].toSorted();
  }

  private add(url: string, methods: readonly string[]): void {
    const segments = url.split('/');
    const candidates = this.bySegmentCount.get(segments.length) ?? [];
    this.bySegmentCount.set(segments.length, candidates);
    const known = candidates.find((candidate) => candidate.segments.join('/') === url);
    if (known === undefined) candidates.push({ segments, methods: new Set(methods) });
    else for (const method of methods) known.methods.add(method);
  }
}

const matches = (known: Known, segments: readonly string[]): boolean =>
  known.segments.every((segment, i) => (segment.startsWith(':') ? segments[i] !== '' : segment === segments[i]));
