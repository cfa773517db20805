import { Control, type BerWriter } from 'ldapts';

/** LDAP_SERVER_SD_FLAGS_OID (MS-ADTS 3.1.1.3.4.1.11). */
const SD_FLAGS = '1.2.840.113556.1.4.801';

// SDFlagsRequestValue ::= SEQUENCE { Flags INTEGER }, with DACL_SECURITY_INFORMATION alone:
// who asks for the auditing list as well, without the right to see it, is shown nothing at all.
const DACL_ONLY = Buffer.from('3003020104', 'hex');
const OCTET_STRING = 0x04;

/** Makes a controller show the discretionary access list of `nTSecurityDescriptor`. */
export class SdFlagsControl extends Control {
  constructor() {
    super(SD_FLAGS, { critical: true });
  }

  protected override writeControl(writer: BerWriter): void {
    writer.writeBuffer(DACL_ONLY, OCTET_STRING);
  }
}
