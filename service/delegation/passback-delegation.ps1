#requires -Version 5.1
<#
.SYNOPSIS
Gives Passback's service account the rights that it needs in a domain, says what it has, and takes them back.

.DESCRIPTION
The rights, on user objects below each -OU and on nothing else: Reset Password, write lockoutTime, write
pwdLastSet. Two more where you ask for them: -UnexpirePassword on the head of the domain, -ReadPolicies on
the Password Settings Container. Run it as a domain administrator on a machine of the domain; it needs no
module. Before anything is changed the permissions go into a file that restore takes. -WhatIf says what
would be changed, and changes nothing. It may be run twice.

verify ends with 0 when the account has exactly this, 1 when something is missing, 2 when it has too much,
3 when both. 70: it could not be done; the line on the error stream says why.

NOT SEEN TO RUN. This script was written where there is no Windows and no PowerShell. It was parsed, and the
entries that it makes are compared with those of the script for Samba, which was run against a directory.
Try it with -WhatIf, then on a unit with test accounts, before you trust it: service/DELEGATION.md says how.

.EXAMPLE
.\passback-delegation.ps1 grant -Account svc-passback -OU 'OU=People,DC=corp,DC=example,DC=com' -WhatIf

.EXAMPLE
.\passback-delegation.ps1 restore -Backup .\passback-delegation-20261127-120000.json
#>
[CmdletBinding(SupportsShouldProcess = $true)]
param(
    [Parameter(Mandatory = $true, Position = 0)]
    [ValidateSet('grant', 'verify', 'revoke', 'backup', 'restore')]
    [string] $Action,
    # Whom the rights are for: sAMAccountName, user principal name, SID or distinguished name.
    [string] $Account = '',
    # The units whose users may be reset, as distinguished names.
    [string[]] $OU = @(),
    # Also Unexpire Password, where the domain has taken it from everybody.
    [switch] $UnexpirePassword,
    # Also the read of fine-grained password policies.
    [switch] $ReadPolicies,
    # The file that permissions are kept in before a change, or that restore takes.
    [string] $Backup = '',
    # A domain controller; without one Windows chooses.
    [string] $Server = ''
)
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'

$User = 'bf967aba-0de6-11d0-a285-00aa003049e2'
# All that is ever given: words, and the entry as SDDL without the account. CIIO and the class: inherited by
# users and by nothing else. The script for Samba has the same strings.
$OnUsers = @(
    @('Reset Password', "(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;$User;{0})"),
    @('write lockoutTime', "(OA;CIIO;RPWP;28630ebf-41d5-11d1-a9c1-0000f80367c1;$User;{0})"),
    @('write pwdLastSet', "(OA;CIIO;RPWP;bf967a0a-0de6-11d0-a285-00aa003049e2;$User;{0})")
)
$OnDomain = @(, @('Unexpire Password', '(OA;;CR;ccc2dc7d-a6ad-4a7a-8846-c04e3cc53501;;{0})'))
$OnPolicies = @(, @('read fine-grained policies', '(A;CI;RPLCLORC;;;{0})'))

$Names = @{
    $User                                  = 'users'
    'bf967a86-0de6-11d0-a285-00aa003049e2' = 'computers'
    '00299570-246d-11d0-a768-00aa006e0529' = 'Reset Password'
    'ab721a53-1e2f-11d0-9819-00aa0040529b' = 'Change Password'
    'ccc2dc7d-a6ad-4a7a-8846-c04e3cc53501' = 'Unexpire Password'
    '1131f6ad-9c07-11d1-f79f-00c04fc2dcd2' = 'Replicating Directory Changes All'
    '4c164200-20c0-11d0-a768-00aa006e0529' = 'all account restrictions'
    '28630ebf-41d5-11d1-a9c1-0000f80367c1' = 'lockoutTime'
    'bf967a0a-0de6-11d0-a285-00aa003049e2' = 'pwdLastSet'
    'bf967a68-0de6-11d0-a285-00aa003049e2' = 'userAccountControl'
    'bf9679c0-0de6-11d0-a285-00aa003049e2' = 'member'
    'f3a64788-5306-11d1-a9c5-0000f80367c1' = 'servicePrincipalName'
    '5b47d60f-6090-40b2-9f37-2a4de88f3063' = 'msDS-KeyCredentialLink'
}
$Masks = @(
    @(0x1, 'create objects'), @(0x2, 'delete objects'), @(0x4, 'list'), @(0x8, 'validated write'), @(0x10, 'read'),
    @(0x20, 'write'), @(0x40, 'delete trees'), @(0x80, 'list objects'), @(0x100, 'extended right'),
    @(0x10000, 'delete'), @(0x20000, 'read permissions'), @(0x40000, 'change permissions'),
    @(0x80000, 'take ownership'), @(0x40000000, 'generic write'), @(0x80000000, 'generic read')
)
$ControlAccess = 0x100
$Full = 0xF01FF
$GenericAll = 0x10000000
$Reads = 0x4 -bor 0x10 -bor 0x80 -bor 0x20000 -bor 0x20000000 -bor 0x80000000
$ContainerInherit = 2
$NoPropagate = 4
$InheritOnly = 8
$Everybody = @('S-1-1-0', 'S-1-5-11')
# Administrators, and the operators of accounts, servers, printers and backups; the groups of the domain and the forest.
$Privileged = '^S-1-5-32-(544|548|549|550|551)$|^S-1-5-21-.*-(512|516|518|519|520|526|527)$'
$Format = 'passback-delegation-backup/1'
$Shown = 5

# --- entries of access lists -----------------------------------------------------------------------

function ConvertTo-Entry($Ace) {
    $qualified = $Ace -is [System.Security.AccessControl.QualifiedAce]
    $what = ''
    $whom = ''
    if ($Ace -is [System.Security.AccessControl.ObjectAce]) {
        if (([int] $Ace.ObjectAceFlags -band 1) -ne 0) { $what = $Ace.ObjectAceType.ToString() }
        if (([int] $Ace.ObjectAceFlags -band 2) -ne 0) { $whom = $Ace.InheritedObjectAceType.ToString() }
    }
    $qualifier = if ($qualified) { [string] $Ace.AceQualifier } else { '' }
    [pscustomobject] @{
        Ace         = $Ace
        Sid         = if ($qualified) { $Ace.SecurityIdentifier.Value } else { '' }
        Mask        = if ($qualified) { $Ace.AccessMask } else { 0 }
        Flags       = [int] $Ace.AceFlags
        Allows      = $qualifier -eq 'AccessAllowed'
        Denies      = $qualifier -eq 'AccessDenied'
        Conditional = $qualified -and $Ace.IsCallback
        What        = $what
        Whom        = $whom
        Inherited   = $Ace.IsInherited
    }
}

# Whether it gives nothing that the other does not give, to the same account in the same place.
function Test-Within($Entry, $Wanted) {
    if (-not $Entry.Allows -or $Entry.Conditional) { return $false }
    if ($Entry.Sid -ne $Wanted.Sid -or $Entry.What -ne $Wanted.What -or $Entry.Whom -ne $Wanted.Whom) { return $false }
    # Where only users are meant, it makes no difference whether the unit itself is left out.
    $reach = $ContainerInherit -bor $NoPropagate
    if ($Entry.Whom -eq '') { $reach = $reach -bor $InheritOnly }
    ($Entry.Mask -band (-bnot $Wanted.Mask)) -eq 0 -and ($Entry.Flags -band $reach) -eq ($Wanted.Flags -band $reach)
}

function Test-WithinAny($Entry, $Wanted) {
    foreach ($one in $Wanted) { if (Test-Within $Entry $one.Entry) { return $true } }
    return $false
}

# Whether it is about something of the other, where that applies.
function Test-Decides($Entry, $Wanted) {
    $mask = if (($Entry.Mask -band $GenericAll) -ne 0) { $Full } else { $Entry.Mask }
    $reaches = if (($Wanted.Flags -band $ContainerInherit) -ne 0) {
        ($Entry.Flags -band $ContainerInherit) -ne 0
    } else {
        ($Entry.Flags -band $InheritOnly) -eq 0
    }
    ($mask -band $Wanted.Mask) -ne 0 -and $reaches -and
    ($Entry.What -eq '' -or $Entry.What -eq $Wanted.What) -and ($Entry.Whom -eq '' -or $Entry.Whom -eq $Wanted.Whom)
}

# Whether these entries together give all of it.
function Test-Complete($Entries, $Wanted) {
    $mask = 0
    foreach ($entry in $Entries) { $mask = $mask -bor $entry.Mask }
    $mask -eq $Wanted.Mask
}

function Test-Write($Entry) { $Entry.Allows -and ($Entry.Mask -band (-bnot $Reads)) -ne 0 }

function ConvertTo-Sddl($Entry) {
    # 4 is the revision of a list that may hold object entries (MS-DTYP 2.4.5).
    $list = New-Object System.Security.AccessControl.RawAcl([byte] 4, 1)
    $list.InsertAce(0, $Entry.Ace)
    $flags = [System.Security.AccessControl.ControlFlags]::DiscretionaryAclPresent
    $descriptor = New-Object System.Security.AccessControl.RawSecurityDescriptor($flags, $null, $null, $null, $list)
    $descriptor.GetSddlForm([System.Security.AccessControl.AccessControlSections]::Access).Substring(2)
}

function Get-Word($Entry) {
    $isFull = ($Entry.Mask -band $GenericAll) -ne 0 -or ($Entry.Mask -band $Full) -eq $Full
    $rights = if ($isFull) { 'full control' } else {
        (@($Masks | Where-Object { ($Entry.Mask -band $_[0]) -ne 0 } | ForEach-Object { $_[1] }) -join ', ')
    }
    if ($Entry.What -ne '') {
        $what = if ($Names.ContainsKey($Entry.What)) { $Names[$Entry.What] } else { $Entry.What }
        $rights = if ($Entry.Mask -eq $ControlAccess) { $what } else { "$rights ($what)" }
    }
    $whom = 'this object'
    if (($Entry.Flags -band $ContainerInherit) -ne 0) {
        $whom = if ($Entry.Whom -eq '') { 'everything below' } elseif ($Names.ContainsKey($Entry.Whom)) { "$($Names[$Entry.Whom]) below" } else { "$($Entry.Whom) below" }
    }
    $not = if ($Entry.Allows) { '' } else { 'NOT ' }
    "$not$rights, on $whom"
}

# --- the directory ---------------------------------------------------------------------------------

# Throws when there is no such object: a method says so, where a property would only be empty.
function Open-Object([string] $Name) {
    $at = if ($Server -ne '') { "$Server/" } else { '' }
    # A slash ends the name in a path of ADSI.
    $entry = New-Object System.DirectoryServices.DirectoryEntry("LDAP://$at$($Name.Replace('/', '\/'))")
    $entry.psbase.RefreshCache([string[]] @('distinguishedName'))
    # The discretionary list alone: owner and auditing list are neither asked for nor written.
    $entry.psbase.Options.SecurityMasks = [System.DirectoryServices.SecurityMasks]::Dacl
    $entry
}

function Get-Descriptor([string] $Name) {
    try {
        $bytes = (Open-Object $Name).psbase.ObjectSecurity.GetSecurityDescriptorBinaryForm()
    } catch {
        throw "the permissions of $Name cannot be read ($($_.Exception.Message)): run it as a domain administrator"
    }
    New-Object System.Security.AccessControl.RawSecurityDescriptor($bytes, 0)
}

function Get-Entry($Descriptor) {
    if ($null -ne $Descriptor.DiscretionaryAcl) {
        foreach ($ace in $Descriptor.DiscretionaryAcl) { ConvertTo-Entry $ace }
    }
}

function Get-OwnEntry($Descriptor) { Get-Entry $Descriptor | Where-Object { -not $_.Inherited } }

function Test-Protected($Descriptor) {
    ($Descriptor.ControlFlags -band [System.Security.AccessControl.ControlFlags]::DiscretionaryAclProtected) -ne 0
}

function Get-Wanted($Rights, [string] $Sid) {
    foreach ($right in $Rights) {
        $descriptor = New-Object System.Security.AccessControl.RawSecurityDescriptor("D:$($right[1] -f $Sid)")
        [pscustomobject] @{ Words = $right[0]; Entry = ConvertTo-Entry $descriptor.DiscretionaryAcl[0] }
    }
}

function Get-Domain {
    $at = if ($Server -ne '') { "$Server/" } else { '' }
    try {
        $root = New-Object System.DirectoryServices.DirectoryEntry("LDAP://$($at)RootDSE")
        $root.psbase.RefreshCache([string[]] @('defaultNamingContext'))
    } catch {
        throw "no domain controller answers ($($_.Exception.Message)): run it on a machine of the domain, or give -Server"
    }
    $head = [string] $root.psbase.Properties['defaultNamingContext'].Value
    $bytes = [byte[]] (Open-Object $head).psbase.Properties['objectSid'].Value
    [pscustomobject] @{
        Head     = $head
        Sid      = (New-Object System.Security.Principal.SecurityIdentifier($bytes, 0)).Value
        Policies = "CN=Password Settings Container,CN=System,$head"
    }
}

function Get-Unit([string] $Name) {
    try {
        $found = Open-Object $Name
        $classes = @($found.psbase.Properties['objectClass'])
    } catch {
        throw "$Name does not exist, or you cannot see it: correct -OU"
    }
    if (@($classes | Where-Object { 'organizationalUnit', 'container', 'domainDNS' -contains $_ }).Count -eq 0) {
        throw "$Name is no organisational unit: give the unit that the accounts are in"
    }
    [string] $found.psbase.Properties['distinguishedName'].Value
}

# RFC 4515, section 3.
function ConvertTo-FilterValue([string] $Value) {
    $Value.Replace('\', '\5c').Replace('*', '\2a').Replace('(', '\28').Replace(')', '\29').Replace([string] [char] 0, '\00')
}

function Get-Account([string] $Name, $Domain) {
    $missing = "there is no account $Name in $($Domain.Head): give its sAMAccountName, SID or distinguished name"
    if ($Name -match '^S-1-') { $path = "<SID=$Name>" }
    elseif ($Name.Contains('=')) { $path = $Name }
    else {
        $attribute = if ($Name.Contains('@')) { 'userPrincipalName' } else { 'sAMAccountName' }
        $searcher = New-Object System.DirectoryServices.DirectorySearcher((Open-Object $Domain.Head))
        $searcher.Filter = "($attribute=$(ConvertTo-FilterValue ($Name.Split('\')[-1])))"
        [void] $searcher.PropertiesToLoad.Add('distinguishedName')
        $found = @($searcher.FindAll())
        if ($found.Count -eq 0) { throw $missing }
        if ($found.Count -gt 1) { throw "more than one object is called $Name`: give its distinguished name" }
        $path = [string] $found[0].Properties['distinguishedname'][0]
    }
    try {
        $entry = Open-Object $path
        $entry.psbase.RefreshCache([string[]] @('objectSid', 'tokenGroups', 'distinguishedName'))
    } catch {
        throw $missing
    }
    $sid = (New-Object System.Security.Principal.SecurityIdentifier([byte[]] $entry.psbase.Properties['objectSid'].Value, 0)).Value
    if ($sid -notmatch '^S-1-5-21-.*-(\d+)$' -or [long] $Matches[1] -lt 1000) {
        throw "$Name ($sid) came with the domain: make an account for Passback alone"
    }
    $groups = @(foreach ($group in $entry.psbase.Properties['tokenGroups']) {
            (New-Object System.Security.Principal.SecurityIdentifier([byte[]] $group, 0)).Value
        })
    [pscustomobject] @{
        Sid    = $sid
        Groups = @($groups | Where-Object { $_ -ne $sid })
        Dn     = [string] $entry.psbase.Properties['distinguishedName'].Value
    }
}

function Get-SidName([string] $Sid) {
    try {
        (New-Object System.Security.Principal.SecurityIdentifier($Sid)).Translate([System.Security.Principal.NTAccount]).Value
    } catch {
        $Sid # of an account that is gone, or that this machine cannot ask about
    }
}

# --- changes ---------------------------------------------------------------------------------------

# What belongs where, in order.
function Get-Place($Domain, $Units, [string] $Sid) {
    $places = [ordered] @{}
    foreach ($unit in $Units) { $places[$unit] = @(Get-Wanted $OnUsers $Sid) }
    if ($UnexpirePassword) {
        # The whole domain may be a unit, too: one object is written once.
        $there = @(if ($places.Contains($Domain.Head)) { $places[$Domain.Head] })
        $places[$Domain.Head] = $there + @(Get-Wanted $OnDomain $Sid)
    }
    if ($ReadPolicies) { $places[$Domain.Policies] = @(Get-Wanted $OnPolicies $Sid) }
    foreach ($dn in $places.Keys) { [pscustomobject] @{ Dn = $dn; Wanted = $places[$dn] } }
}

# With what is missing, behind all refusals, where the canonical order has it; what is there stays as it is.
function Add-Right($Descriptor, $Wanted) {
    $own = @(Get-OwnEntry $Descriptor)
    $at = 0
    for ($i = 0; $i -lt $own.Count; $i++) { if ($own[$i].Denies) { $at = $i + 1 } }
    foreach ($one in $Wanted) {
        if (Test-Complete @($own | Where-Object { Test-Within $_ $one.Entry }) $one.Entry) { continue }
        # An object's own entries come before the inherited ones, so the place is the same in the whole list.
        $Descriptor.DiscretionaryAcl.InsertAce($at, $one.Entry.Ace)
        $at++
    }
}

function Remove-Right($Descriptor, $Wanted) {
    for ($i = $Descriptor.DiscretionaryAcl.Count - 1; $i -ge 0; $i--) {
        $entry = ConvertTo-Entry $Descriptor.DiscretionaryAcl[$i]
        if (-not $entry.Inherited -and (Test-WithinAny $entry $Wanted)) { $Descriptor.DiscretionaryAcl.RemoveAce($i) }
    }
}

function Save-Backup($Domain, [string[]] $Dns) {
    $path = if ($Backup -ne '') { $Backup } else { 'passback-delegation-{0}.json' -f (Get-Date -Format 'yyyyMMdd-HHmmss') }
    $objects = @(foreach ($dn in $Dns) {
            $dacl = (Get-Descriptor $dn).GetSddlForm([System.Security.AccessControl.AccessControlSections]::Access)
            [ordered] @{ dn = $dn; dacl = $dacl }
        })
    $content = [ordered] @{ format = $Format; domain = $Domain.Head; domainSid = $Domain.Sid; objects = $objects }
    $bytes = (New-Object System.Text.UTF8Encoding($false)).GetBytes((ConvertTo-Json $content -Depth 4))
    try {
        # CreateNew: never over another one.
        $full = $ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($path)
        $file = New-Object System.IO.FileStream($full, [System.IO.FileMode]::CreateNew, [System.IO.FileAccess]::Write)
        try { $file.Write($bytes, 0, $bytes.Length); $file.Flush($true) } finally { $file.Dispose() }
    } catch {
        throw "the backup $path cannot be written ($($_.Exception.Message)), so nothing was changed: give -Backup FILE"
    }
    "backup     $full"
}

function Write-Descriptor([string] $Dn, $Descriptor) {
    $entry = Open-Object $Dn
    $bytes = New-Object byte[] $Descriptor.BinaryLength
    $Descriptor.GetBinaryForm($bytes, 0)
    $section = [System.Security.AccessControl.AccessControlSections]::Access
    $entry.psbase.ObjectSecurity.SetSecurityDescriptorBinaryForm($bytes, $section)
    $entry.psbase.CommitChanges()
}

function Get-OwnText($Descriptor) { @(Get-OwnEntry $Descriptor | ForEach-Object { ConvertTo-Sddl $_ }) }

function Show-Difference([string] $Sign, $Entries, $Others) {
    foreach ($entry in $Entries) {
        $text = ConvertTo-Sddl $entry
        if ($Others -cnotcontains $text) { "  $Sign $(Get-Word $entry)  $text" }
    }
}

# Brings each object to its new list, after a backup of all that change.
function Set-Plan($Domain, $Plan) {
    $changes = @()
    foreach ($step in $Plan) {
        $now = Get-Descriptor $step.Dn
        $before = @(Get-OwnText $now)
        $after = @(Get-OwnText $step.Descriptor)
        if (($before -join '') -ceq ($after -join '') -and (Test-Protected $now) -eq (Test-Protected $step.Descriptor)) {
            "as it is   $($step.Dn)"
            continue
        }
        "$(if ($WhatIfPreference) { 'would be' } else { 'changes ' })   $($step.Dn)"
        Show-Difference '-' @(Get-OwnEntry $now) $after
        Show-Difference '+' @(Get-OwnEntry $step.Descriptor) $before
        $changes += $step
    }
    if ($changes.Count -eq 0 -or $WhatIfPreference) { return }
    Save-Backup $Domain @($changes | ForEach-Object { $_.Dn })
    foreach ($step in $changes) {
        if (-not $script:PSCmdlet.ShouldProcess($step.Dn, 'write its permissions')) { continue }
        try { Write-Descriptor $step.Dn $step.Descriptor } catch {
            throw "the directory refused the permissions of $($step.Dn) ($($_.Exception.Message)): run it as a domain administrator; verify says how far it came"
        }
    }
    'done'
}

function Get-Plan($Places) {
    foreach ($place in $Places) {
        $descriptor = Get-Descriptor $place.Dn
        if ($Action -eq 'grant') { Add-Right $descriptor $place.Wanted } else { Remove-Right $descriptor $place.Wanted }
        [pscustomobject] @{ Dn = $place.Dn; Descriptor = $descriptor }
    }
}

function Get-RestorePlan($Domain) {
    try {
        $text = [System.IO.File]::ReadAllText($ExecutionContext.SessionState.Path.GetUnresolvedProviderPathFromPSPath($Backup))
        $saved = ConvertFrom-Json $text
        $plan = @(foreach ($one in $saved.objects) {
                [pscustomobject] @{ Dn = $one.dn; Descriptor = New-Object System.Security.AccessControl.RawSecurityDescriptor($one.dacl) }
            })
    } catch {
        throw "$Backup is no backup that can be read ($($_.Exception.Message)): give a file that this script has made"
    }
    if ($saved.format -ne $Format -or $saved.domainSid -ne $Domain.Sid) {
        throw "$Backup is a backup of $($saved.domain), not of $($Domain.Head): give one of this domain"
    }
    $plan
}

# --- verify ----------------------------------------------------------------------------------------

$Findings = [ordered] @{}

function Add-Finding([string] $Dn, [string] $Kind, [string] $Text) {
    if (-not $Findings.Contains($Dn)) { $Findings.Add($Dn, (New-Object System.Collections.ArrayList)) }
    [void] $Findings[$Dn].Add([pscustomobject] @{ Kind = $Kind; Text = $Text })
}

# The nearest object above that has it as its own.
function Get-Source([string] $Unit, $Wanted, $Domain) {
    $above = Open-Object $Unit
    $dn = $Unit
    while ($dn -ne $Domain.Head) {
        $above = $above.psbase.Parent
        $above.psbase.RefreshCache([string[]] @('distinguishedName'))
        $dn = [string] $above.psbase.Properties['distinguishedName'].Value
        if (@(Get-OwnEntry (Get-Descriptor $dn) | Where-Object { Test-Within $_ $Wanted }).Count -gt 0) { return $dn }
    }
    $dn
}

function Find-OnUnit([string] $Unit, $Units, $Who, $Domain) {
    $entries = @(Get-Entry (Get-Descriptor $Unit))
    $groups = @($Who.Groups) + $Everybody
    foreach ($one in @(Get-Wanted $OnUsers $Who.Sid)) {
        $refusal = @($entries | Where-Object { $_.Denies -and (@($Who.Sid) + $groups) -contains $_.Sid -and (Test-Decides $_ $one.Entry) })
        $giving = @($entries | Where-Object { Test-Within $_ $one.Entry })
        $above = ''
        if ($giving.Count -gt 0 -and @($giving | Where-Object { -not $_.Inherited }).Count -eq 0) { $above = Get-Source $Unit $one.Entry $Domain }
        if ($refusal.Count -gt 0) {
            Add-Finding $Unit 'missing' "$($one.Words): refused to $(Get-SidName $refusal[0].Sid) by $(ConvertTo-Sddl $refusal[0]); take that away"
        } elseif (-not (Test-Complete $giving $one.Entry)) {
            Add-Finding $Unit 'missing' "$($one.Words), on users below: run grant with this -OU"
        } elseif ($above -ne '' -and $Units -notcontains $above) {
            Add-Finding $Unit 'too much' "$($one.Words), inherited from $above`: it holds for all of that; revoke it there, grant it here"
        } else {
            Add-Finding $Unit 'there' "$($one.Words), on users below$(if ($above -ne '') { " (from $above)" })"
        }
    }
    foreach ($entry in $entries) {
        if ($groups -contains $entry.Sid -and (Test-Write $entry)) {
            Add-Finding $Unit 'too much' "$(Get-Word $entry), through $(Get-SidName $entry.Sid)  $(ConvertTo-Sddl $entry)"
        }
    }
    if ($Who.Dn.EndsWith(",$Unit", [System.StringComparison]::OrdinalIgnoreCase)) {
        Add-Finding $Unit 'note' 'the service account itself is in this unit and could reset itself: move it out'
    }
}

# A right that may come from anybody: the first entry about it decides (MS-ADTS 5.1.3.3.4).
function Find-Anywhere([string] $Dn, $One, $Who, [bool] $Needed, [string] $Flag) {
    $sids = @($Who.Sid) + @($Who.Groups) + $Everybody
    $deciding = @(Get-Entry (Get-Descriptor $Dn) | Where-Object { $sids -contains $_.Sid -and (Test-Decides $_ $One.Entry) }) | Select-Object -First 1
    if ($null -ne $deciding -and $deciding.Allows) {
        Add-Finding $Dn 'there' "$($One.Words)$(if ($deciding.Sid -ne $Who.Sid) { ", through $(Get-SidName $deciding.Sid)" })"
    } elseif ($Needed) {
        $refused = if ($null -ne $deciding) { ": refused by $(ConvertTo-Sddl $deciding)" } else { '' }
        Add-Finding $Dn 'missing' "$($One.Words)$refused`: run grant with $Flag"
    } else {
        Add-Finding $Dn 'note' "$($One.Words): not there and not necessary; grant $Flag lets refusals name the rule"
    }
}

# The account's own entries on every object of the domain, and what does not inherit from the units.
function Find-Everywhere($Domain, $Units, $Who) {
    $expected = @{}
    foreach ($unit in $Units) { $expected[$unit] = @(Get-Wanted $OnUsers $Who.Sid) }
    $expected[$Domain.Head] = @(if ($expected.ContainsKey($Domain.Head)) { $expected[$Domain.Head] }) + @(Get-Wanted $OnDomain $Who.Sid)
    $expected[$Domain.Policies] = @(Get-Wanted $OnPolicies $Who.Sid)
    $closed = @{}
    $administrative = @{}
    $searcher = New-Object System.DirectoryServices.DirectorySearcher((Open-Object $Domain.Head), '(objectClass=*)')
    $searcher.PageSize = 1000
    $searcher.SecurityMasks = [System.DirectoryServices.SecurityMasks]::Dacl
    foreach ($name in 'distinguishedName', 'nTSecurityDescriptor', 'objectClass', 'adminCount') { [void] $searcher.PropertiesToLoad.Add($name) }
    $results = $searcher.FindAll()
    try {
        foreach ($result in $results) {
            $properties = $result.Properties
            if ($properties['ntsecuritydescriptor'].Count -eq 0) { continue }
            $dn = [string] $properties['distinguishedname'][0]
            $descriptor = New-Object System.Security.AccessControl.RawSecurityDescriptor([byte[]] $properties['ntsecuritydescriptor'][0], 0)
            foreach ($ace in $descriptor.DiscretionaryAcl) {
                if ($ace.IsInherited -or -not ($ace -is [System.Security.AccessControl.QualifiedAce]) -or $ace.SecurityIdentifier.Value -ne $Who.Sid) { continue }
                $entry = ConvertTo-Entry $ace
                if ($expected.ContainsKey($dn) -and (Test-WithinAny $entry $expected[$dn])) { continue }
                Add-Finding $dn $(if (Test-Write $entry) { 'too much' } else { 'note' }) "$(Get-Word $entry)  $(ConvertTo-Sddl $entry)"
            }
            if (-not (Test-Protected $descriptor) -or $Units -contains $dn) { continue }
            $top = @($Units | Where-Object { $dn.EndsWith(",$_", [System.StringComparison]::OrdinalIgnoreCase) }) | Select-Object -First 1
            $classes = @($properties['objectclass'])
            if ($null -eq $top) { continue }
            if ($classes -contains 'organizationalUnit') {
                Add-Finding $dn 'missing' 'inheritance is off, so nothing reaches the users in it: give it as -OU, too, or turn it on'
            } elseif ($classes -contains 'user' -and $classes -notcontains 'computer') {
                if ($properties['admincount'].Count -gt 0 -and [int] $properties['admincount'][0] -ne 0) { $administrative[$top] = 1 + [int] $administrative[$top] }
                else { $closed[$top] = @(if ($closed.ContainsKey($top)) { $closed[$top] }) + $dn }
            }
        }
    } finally { $results.Dispose() }
    foreach ($unit in $Units) {
        if ($administrative.ContainsKey($unit)) { Add-Finding $unit 'note' "$($administrative[$unit]) privileged accounts (adminCount) inherit nothing: as it should be" }
        $accounts = @(if ($closed.ContainsKey($unit)) { $closed[$unit] })
        $accounts | Select-Object -First $Shown | ForEach-Object { Add-Finding $unit 'missing' "$_ does not inherit: turn inheritance on for this account" }
        if ($accounts.Count -gt $Shown) { Add-Finding $unit 'missing' "and $($accounts.Count - $Shown) more accounts that do not inherit" }
    }
}

# Prints what was found; the last thing that it gives out is the exit code.
function Show-Finding {
    $missing = 0
    $tooMuch = 0
    foreach ($dn in $Findings.Keys) {
        $dn
        foreach ($finding in $Findings[$dn]) {
            '  {0,-8}  {1}' -f $finding.Kind, $finding.Text
            if ($finding.Kind -eq 'missing') { $missing++ }
            if ($finding.Kind -eq 'too much') { $tooMuch++ }
        }
    }
    if ($tooMuch -gt 0) { 'To take an entry away: Active Directory Users and Computers (Advanced Features), Security, Advanced' }
    if ($missing + $tooMuch -eq 0) { 'exactly what Passback needs' } else { "$missing missing, $tooMuch too much" }
    $script:ExitCode = $(if ($missing -gt 0) { 1 } else { 0 }) + $(if ($tooMuch -gt 0) { 2 } else { 0 })
}

function Find-All($Domain, $Units, $Who) {
    foreach ($group in @($Who.Groups | Sort-Object)) {
        if ($group -match $Privileged) { Add-Finding $Who.Dn 'too much' "it is a member of $(Get-SidName $group): take it out" }
    }
    foreach ($unit in $Units) { Find-OnUnit $unit $Units $Who $Domain }
    Find-Anywhere $Domain.Head (Get-Wanted $OnDomain $Who.Sid) $Who $true '-UnexpirePassword'
    Find-Anywhere $Domain.Policies (Get-Wanted $OnPolicies $Who.Sid) $Who ([bool] $ReadPolicies) '-ReadPolicies'
    Find-Everywhere $Domain $Units $Who
}

# --- what the command line asks for ----------------------------------------------------------------

function Invoke-Action {
    if ('grant', 'verify', 'revoke' -contains $Action -and $Account -eq '') { throw '-Account is missing' }
    if ($Action -ne 'restore' -and $OU.Count -eq 0) { throw '-OU is missing' }
    if ($Action -eq 'restore' -and $Backup -eq '') { throw 'restore takes the file of a backup: -Backup FILE' }
    $domain = Get-Domain
    if ($Action -eq 'restore') { return Set-Plan $domain @(Get-RestorePlan $domain) }
    $units = @($OU | ForEach-Object { Get-Unit $_ } | Select-Object -Unique)
    if ($Action -eq 'backup') {
        return Save-Backup $domain @(Get-Place $domain $units $domain.Sid | ForEach-Object { $_.Dn } | Select-Object -Unique)
    }
    $who = Get-Account $Account $domain
    "$Account ($($who.Sid)) in $($domain.Head)"
    if ($Action -eq 'verify') {
        Find-All $domain $units $who
        return Show-Finding
    }
    if ($units -contains $domain.Head) { "note: $($domain.Head) is the whole domain; units are better" }
    Set-Plan $domain @(Get-Plan @(Get-Place $domain $units $who.Sid))
}

$ExitCode = 0
try {
    Invoke-Action
} catch {
    [Console]::Error.WriteLine("passback-delegation: $($_.Exception.Message)")
    $ExitCode = 70
}
exit $ExitCode
