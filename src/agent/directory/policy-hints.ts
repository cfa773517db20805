import { Control, type BerWriter } from 'ldapts';

/** LDAP_SERVER_POLICY_HINTS_OID and the older number of the same control (MS-ADTS 3.1.1.3.4.1.27). */
export const POLICY_HINTS_OIDS = ['1.2.840.113556.1.4.2239', '1.2.840.113556.1.4.2066'] as const;

// PolicyHintsRequestValue ::= SEQUENCE { Flags INTEGER }, with the one flag there is.
const ENFORCE = Buffer.from('3003020101', 'hex');
const OCTET_STRING = 0x04;

/**
 * Makes a controller hold a reset to the password history. Always critical (RFC 4511 section
 * 4.1.11): a controller that does not know it would otherwise write and leave the history out.
 */
export class PolicyHintsControl extends Control {
  constructor(oid: string) {
    super(oid, { critical: true });
  }

  protected override writeControl(writer: BerWriter): void {
    writer.writeBuffer(ENFORCE, OCTET_STRING);
  }
}
