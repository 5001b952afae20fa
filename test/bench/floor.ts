import Fastify from 'fastify';
import pg from 'pg';

// The floor of the comparison: the least a server can do that stores a message before it answers, or reads a user's status. Bare Fastify,
// one `pg` INSERT or SELECT, no authentication, no limits, no queue, no search index. Nothing that does more can be expected to be faster per INSERT.
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 10 });
await pool.query(
  'CREATE TABLE IF NOT EXISTS floor_messages (id bigserial PRIMARY KEY, conversation_id text, content text, created_at timestamptz DEFAULT now())',
);

await pool.query(`
  CREATE TABLE IF NOT EXISTS floor_statuses AS SELECT 'bench-' || i AS user_id, 200 AS score, '{"music": {"score": 200}}'::jsonb AS topic_metrics
  FROM generate_series(0, 999) i`);
await pool.query('CREATE UNIQUE INDEX IF NOT EXISTS floor_statuses_by_user ON floor_statuses (user_id)');

const app = Fastify();
app.post<{ Params: { id: string }; Body: { content: string } }>('/v1/conversations/:id/messages', async (request, reply) => {
  const { rows } = await pool.query<{ id: string; created_at: Date }>({
    name: 'insert',
    text: 'INSERT INTO floor_messages (conversation_id, content) VALUES ($1, $2) RETURNING id, created_at',
    values: [request.params.id, request.body.content],
  });
  return reply.code(202).send({ id: rows[0]?.id, createdAt: rows[0]?.created_at });
});
app.post<{ Body: { userId: string } }>('/v1/activities/suggest', async (request, reply) => {
  const { rows } = await pool.query<{ score: number; topic_metrics: object }>({
    name: 'status',
    text: 'SELECT score, topic_metrics FROM floor_statuses WHERE user_id = $1',
    values: [request.body.userId],
  });
  return reply.send({ userId: request.body.userId, score: rows[0]?.score, topicMetrics: rows[0]?.topic_metrics });
});
app.get('/readyz', () => ({ status: 'ok' }));
await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) });
