import { z } from 'zod';

/** What can be done to a service, as one word. */
export const scalingActions = ['workers', 'pods', 'pool', 'prefetch', 'none'] as const;
export type ScalingAction = (typeof scalingActions)[number];

const Size = z.object({
  pods: z.int().min(0).meta({ description: 'Processes of the service that answer, one per pod' }),
  workers: z.int().min(0).nullable().meta({ description: 'Workers of each pod (WEB_CONCURRENCY); null = not known' }),
  poolSize: z.int().min(0).nullable().meta({ description: 'Connections to Postgres of each worker (DB_POOL_SIZE); null = not known' }),
  concurrency: z
    .int()
    .min(0)
    .nullable()
    .meta({ description: 'Batches that each worker handles at once; null = it consumes no queue, or not known' }),
});

/** What the advisor says of one service. */
export const ScalingAdvice = z
  .object({
    service: z.string().max(64),
    action: z.enum(scalingActions).meta({ description: 'What to change; none = nothing that scaling could better, see the reason' }),
    rule: z.int().min(0).max(11).meta({ description: 'The step of the procedure that matched, docs/operate/scaling.md; 11 = none did' }),
    rebalance: z.boolean().meta({ description: 'Connections must be spread anew: old pods keep theirs' }),
    now: Size,
    to: Size,
    reason: z.string().max(1_000),
    numbers: z.record(z.string().max(64), z.number()).meta({ description: 'What the reason was derived from' }),
    checks: z.array(z.string().max(500)).max(20).meta({ description: 'What to look at before following it' }),
    connections: z
      .object({ now: z.int(), after: z.int(), budget: z.int() })
      .nullable()
      .meta({ description: 'Connections to Postgres of all services, surge included; null = max_connections is not known' }),
    watch: z.array(z.string().max(200)).max(10).meta({ description: 'Metrics that show whether it helped' }),
    confidence: z.enum(['low', 'medium', 'high']),
    etaSeconds: z.int().min(0).nullable().meta({ description: 'Time until it takes effect; null = nothing changes' }),
  })
  .meta({ id: 'ScalingAdvice' });
export type ScalingAdvice = z.infer<typeof ScalingAdvice>;

/** What the advisor says of all services. */
export const ScalingReport = z
  .object({
    at: z.iso.datetime().meta({ description: 'The newest metrics that it is derived from' }),
    items: z.array(ScalingAdvice).max(20),
    atDoubleLoad: z.array(ScalingAdvice).max(20).meta({ description: 'The same if everything that comes in doubled' }),
    missing: z
      .array(z.object({ target: z.string().max(500), service: z.string().max(64).nullable(), code: z.string().max(100) }))
      .max(100)
      .meta({ description: 'Processes whose metrics are not there, and why' }),
    seesOnlyItself: z.boolean().meta({ description: 'METRICS_TARGETS is empty: ops knows nothing of the other processes' }),
  })
  .meta({ id: 'ScalingReport' });
export type ScalingReport = z.infer<typeof ScalingReport>;
