import { Controller, Delete, HttpCode, Put } from '@nestjs/common';
import { ApiNoContentResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { z } from 'zod';
import type { UserId } from '#lib/contracts/ids';
import { DeviceId, DeviceRegistration } from '#lib/contracts/push';
import { DeviceStorePort } from '#lib/conversations/device-store.port';
import { FromBody, FromPath } from '../problems/validation.js';
import { Caller } from './parameters.js';

const DeviceRef = z.strictObject({ deviceId: DeviceId });
type DeviceRef = z.infer<typeof DeviceRef>;

@ApiTags('devices')
@Controller('v1/devices')
export class DevicesController {
  constructor(private readonly devices: DeviceStorePort) {}

  @Put(':deviceId')
  @ApiOperation({
    operationId: 'registerDevice',
    summary: 'Get pushes on a device while I am offline; a token that another user registered before is mine from now on',
  })
  @HttpCode(204)
  @ApiNoContentResponse()
  async register(
    @Caller() userId: UserId,
    @FromPath(DeviceRef) { deviceId }: DeviceRef,
    @FromBody(DeviceRegistration) registration: DeviceRegistration,
  ): Promise<void> {
    await this.devices.register(userId, deviceId, registration);
  }

  @Delete(':deviceId')
  @ApiOperation({ operationId: 'removeDevice', summary: 'Get no more pushes on a device of mine' })
  @HttpCode(204)
  @ApiNoContentResponse()
  async remove(@Caller() userId: UserId, @FromPath(DeviceRef) { deviceId }: DeviceRef): Promise<void> {
    await this.devices.remove(userId, deviceId);
  }
}
