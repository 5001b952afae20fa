import { IsOptional, IsString, Length } from 'class-validator';

export class NewMessageDto {
  @IsString()
  @Length(1, 16_384)
  content!: string;

  @IsOptional()
  @IsString()
  clientMessageId?: string;
}
