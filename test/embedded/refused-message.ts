import type { Client } from 'pg';

/** A text whose event becomes a dead letter after {@link refuseItsSignals}. */
export const REFUSED = 'thirteen long';

/** Has Postgres refuse what scoring writes of messages as long as {@link REFUSED}. */
export async function refuseItsSignals(database: Client): Promise<void> {
  await database.query(`
    create function refuse_signals() returns trigger language plpgsql as $$ begin
      if new.state = 'scored' and new.length = ${REFUSED.length} then raise exception 'refused by the test'; end if;
      return new;
    end $$;
    create trigger refuse_signals before insert or update on message_signals for each row execute function refuse_signals()`);
}
