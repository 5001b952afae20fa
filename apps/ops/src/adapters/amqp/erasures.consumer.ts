import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { UserErased } from '#lib/contracts/events';
import { EraseUser } from '../../erasure/erase-user.js';

/** The edge of this process for erasures: one call per event of `ops.erasures`. */
@Controller()
export class ErasuresConsumer {
  constructor(private readonly eraseUser: EraseUser) {}

  @EventPattern('ops.erasures')
  async handle(@Payload() events: UserErased[]): Promise<void> {
    for (const event of events) await this.eraseUser.handle(event);
  }
}
