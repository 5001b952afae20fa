import { Module } from '@nestjs/common';
import { UsersController } from '../adapters/http/routes/users.controller.js';
import { OrderErasure } from './order-erasure.js';

/** What administrators order about users. */
@Module({ controllers: [UsersController], providers: [OrderErasure] })
export class ErasureModule {}
