import type { z } from 'zod';
import type { LaneDataSource } from '#lib/database/adapters/lane-data-source';
import { AgentEntity } from '#lib/database/adapters/entities/agent.entity';
import { CatalogueVersionEntity } from '#lib/database/adapters/entities/catalogue-version.entity';
import { PromptTemplateEntity } from '#lib/database/adapters/entities/prompt-template.entity';
import { Agent, type CatalogueRows, PromptTemplate } from '../../activities/catalogue.js';
import { CataloguePort, MAX_AGENTS, MAX_TEMPLATES } from '../../activities/catalogue.port.js';

/** The catalogue in the tables `agents` and `prompt_templates`. */
export class PostgresCatalogue extends CataloguePort {
  constructor(private readonly dataSource: LaneDataSource) {
    super();
  }

  override async version(): Promise<string> {
    const { version } = await this.dataSource.getRepository(CatalogueVersionEntity).findOneByOrFail({ onlyRow: true });
    return version;
  }

  override async rows(): Promise<CatalogueRows> {
    const inUse = { where: { isEnabled: true }, order: { id: 'ASC' } } as const;
    const agents = await this.dataSource.getRepository(AgentEntity).find({ ...inUse, take: MAX_AGENTS });
    const templates = await this.dataSource.getRepository(PromptTemplateEntity).find({ ...inUse, take: MAX_TEMPLATES });
    return { agents: known(Agent, agents), templates: known(PromptTemplate, templates) };
  }
}

/** The rows that this version knows: while it is being replaced, the next one may already have added types and topics. */
const known = <Row>(schema: z.ZodType<Row>, rows: readonly object[]): Row[] =>
  rows.flatMap((row) => {
    const { success, data } = schema.safeParse(row);
    return success ? [data] : [];
  });
