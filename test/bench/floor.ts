import Fastify from 'fastify';
import pg from 'pg';

// The floor of the comparison: the least a server can do that stores a message before it answers. Bare Fastify, one `pg` INSERT,
// no authentication, no limits, no queue, no search index. Nothing that does more can be expected to be faster per INSERT.
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'], max: 10 });
await pool.query(
  'CREATE TABLE IF NOT EXISTS floor_messages (id bigserial PRIMARY KEY, conversation_id text, content text, created_at timestamptz DEFAULT now())',
);

const app = Fastify();
app.post<{ Params: { id: string }; Body: { content: string } }>('/v1/conversations/:id/messages', async (request, reply) => {
  const { rows } = await pool.query<{ id: string; created_at: Date }>({
    name: 'insert',
    text: 'INSERT INTO floor_messages (conversation_id, content) VALUES ($1, $2) RETURNING id, created_at',
    values: [request.params.id, request.body.content],
  });
  return reply.code(202).send({ id: rows[0]?.id, createdAt: rows[0]?.created_at });
});
app.get('/readyz', () => ({ status: 'ok' }));
await app.listen({ host: '127.0.0.1', port: Number(process.env['PORT']) });
