import { BootedSystem } from '../../../test/lab/booted-system.ts';
import { createTestCa, type TestCertificate } from '../../../test/support/test-ca.ts';

/** What the texts call the service's host. */
const NAME = 'reset.example.com';

/** Two clean machines, one for each program, the first one with the name that the texts give it. */
export class Hosts implements AsyncDisposable {
  readonly service: BootedSystem;
  readonly agent: BootedSystem;
  /** Of the company's own CA, for the service. */
  readonly certificate: TestCertificate;

  private constructor(
    [service, agent]: readonly [BootedSystem, BootedSystem],
    certificate: TestCertificate,
  ) {
    [this.service, this.agent, this.certificate] = [service, agent, certificate];
  }

  static async boot(network: string, progress: (line: string) => void): Promise<Hosts> {
    const certificate = await (await createTestCa()).issue([NAME]);
    const service = await BootedSystem.boot(network, progress, NAME);
    try {
      const agent = await BootedSystem.boot(network, progress);
      return new Hosts([service, agent], certificate);
    } catch (error) {
      await service[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.service, this.agent].map((each) => each[Symbol.asyncDispose]()));
  }
}
