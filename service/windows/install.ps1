#Requires -Version 5.1
<#
.SYNOPSIS
  Installs the Passback agent as a Windows service, or renews one that is there.

.DESCRIPTION
  Copies the folder this script is in to Program Files and lets the agent make its own service. It may
  be run again at any time, and is how a newer version is put in: a running service is stopped with a
  drain and started again. Configuration, secrets and state in C:\ProgramData\Passback are left as they are.

.PARAMETER Target
  Where the program goes.

.PARAMETER Config
  Configuration file that the service runs with. A service that is there keeps its own unless one is given;
  a new one gets C:\ProgramData\Passback\passback.yaml. A commented example is put there when there is none.

.PARAMETER Account
  Whom the service runs as. Default is the virtual account NT SERVICE\passback, which has no password.
  DOMAIN\name$ (gMSA) has none either; for any other account its password is asked for.

.EXAMPLE
  .\install.ps1 -WhatIf
  Says what would be done.

.EXAMPLE
  .\install.ps1
#>
[CmdletBinding(SupportsShouldProcess)]
param(
  # ProgramFiles is another folder in a PowerShell of 32 bits, which tools that distribute software start.
  [string] $Target = (Join-Path $env:ProgramW6432 'Passback'),
  [string] $Config = (Join-Path $env:ProgramData 'Passback\passback.yaml'),
  [string] $Account
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
# Exit codes are looked at here: PowerShell 7 can be told to throw for them, also for robocopy's good ones.
$PSNativeCommandUseErrorActionPreference = $false

$ServiceName = 'passback'
$StopSeconds = 90

# Another run finds it stopped, and leaves it so: whoever reads why it ended here has to know that it ran.
$hasStopped = $false
trap {
  if ($hasStopped) {
    Write-Warning "The service $ServiceName ran and was stopped. Correct what is said next, run this again, then: Start-Service $ServiceName"
  }
  break
}

$me = [Security.Principal.WindowsPrincipal] [Security.Principal.WindowsIdentity]::GetCurrent()
if (-not $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
  throw 'Administrator rights are needed: open PowerShell with "Run as administrator" and run this again there.'
}

# One spelling, to be compared with others. A backslash before a closing quote would quote that, in what a
# native program is given.
$Target = $PSCmdlet.GetUnresolvedProviderPathFromPSPath($Target).TrimEnd('\')
if ($Target -match ':$') { throw "$Target is a whole drive: name a folder of its own." }

# Native programs do not throw by themselves.
function Invoke-Passback {
  & (Join-Path $Target 'node.exe') (Join-Path $Target 'passback.js') @args
  if ($LASTEXITCODE -ne 0) { throw "passback $($args[0]) $($args[1]) ended with $LASTEXITCODE." }
}

# An owner can open a folder again, whatever its access list says. By their SIDs: names are translated.
function Assert-TrustedOwner {
  $trusted = @(
    'S-1-5-18' # SYSTEM
    'S-1-5-32-544' # Administrators
    'S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464' # TrustedInstaller
    [Security.Principal.WindowsIdentity]::GetCurrent().User.Value # whoever runs this
  )
  if ((Get-Item -LiteralPath $Target -Force).LinkType) { throw "$Target is a link: name the folder itself with -Target." }
  $owner = (Get-Acl -LiteralPath $Target).GetOwner([Security.Principal.SecurityIdentifier]).Value
  if ($owner -notin $trusted) {
    throw "$Target belongs to $owner, who could change the program later on: look into it, then delete it or give it to administrators (icacls `"$Target`" /setowner `"*S-1-5-32-544`"), and run this again."
  }
}

# What a link leads to would be opened, closed or replaced with the folder; a hard link is one, too.
function Assert-NoLink {
  $link = Get-ChildItem -LiteralPath $Target -Recurse -Force | Where-Object { $_.LinkType } | Select-Object -First 1
  if ($link) { throw "$($link.FullName) is a link, and none of ours: remove it, then run this again." }
}

function Invoke-Icacls {
  icacls @args | Out-Null
  if ($LASTEXITCODE -ne 0) { throw "$Target cannot be closed: icacls ended with $LASTEXITCODE." }
}

$source = $PSScriptRoot.TrimEnd('\')
# What is copied replaces the target, and would take this folder with it.
if ($source -ne $Target) {
  foreach ($pair in @($source, $Target), @($Target, $source)) {
    if ("$($pair[0])\".StartsWith("$($pair[1])\", 'OrdinalIgnoreCase')) {
      throw "$($pair[0]) is inside $($pair[1]): unpack the archive elsewhere and run it from there."
    }
  }
}
foreach ($needed in 'node.exe', 'passback.js', 'service-worker.js', 'node_modules', 'SHA256SUMS') {
  if (-not (Test-Path -LiteralPath (Join-Path $source $needed))) {
    throw "$needed is missing beside this script: unpack the whole archive and run it from there."
  }
}

# What was torn on the way must not be installed.
foreach ($line in Get-Content -LiteralPath (Join-Path $source 'SHA256SUMS')) {
  $sum, $file = $line -split '  ', 2
  $found = Get-FileHash -LiteralPath (Join-Path $source $file) -Algorithm SHA256 -ErrorAction SilentlyContinue
  if ($null -eq $found -or $found.Hash -ne $sum) { throw "$file is not what was packed: download the archive again." }
}

# What is copied replaces the whole folder, which must not be somebody else's.
$isOurs = Test-Path -LiteralPath (Join-Path $Target 'passback.js')
if (-not $isOurs -and (Test-Path -LiteralPath $Target) -and (Get-ChildItem -LiteralPath $Target -Force)) {
  throw "$Target holds something else: name a folder of its own with -Target."
}
if (Test-Path -LiteralPath $Target) { Assert-TrustedOwner }

$service = Get-Service -Name $ServiceName -ErrorAction SilentlyContinue
# An upgrade keeps the file that the service has: only the service knows which.
$namesConfig = $null -eq $service -or $PSBoundParameters.ContainsKey('Config')
$wasRunning = $null -ne $service -and $service.Status -ne 'Stopped'
if ($wasRunning -and $PSCmdlet.ShouldProcess($ServiceName, 'Stop the service')) {
  $hasStopped = $true
  Stop-Service -Name $ServiceName
  $service.WaitForStatus('Stopped', [TimeSpan]::FromSeconds($StopSeconds))
}

if ($PSCmdlet.ShouldProcess($Target, 'Copy the program')) {
  if ($source -ne $Target) {
    New-Item -ItemType Directory -Path $Target -Force | Out-Null
    # Program Files is closed; a folder elsewhere lets every account put a program of its own into the service.
    if (-not $Target.StartsWith("$env:ProgramW6432\", 'OrdinalIgnoreCase')) {
      Assert-TrustedOwner # again: somebody may have made it since
      Invoke-Icacls $Target /reset /Q
      Invoke-Icacls $Target /inheritance:r /grant '*S-1-5-18:(OI)(CI)F' '*S-1-5-32-544:(OI)(CI)F' '*S-1-5-32-545:(OI)(CI)RX'
      # What is in it already keeps its owner and its list, also under a new content.
      Assert-NoLink
      Invoke-Icacls $Target /setowner '*S-1-5-32-544' /T /L /Q
      if (Get-ChildItem -LiteralPath $Target -Force) { Invoke-Icacls (Join-Path $Target '*') /reset /T /L /Q }
      Assert-NoLink # again: now nobody can make another
    }
    # Mirrors: a file of the version before must not stay, nor one that only looks the same (/IS /IT).
    robocopy $source $Target /MIR /IS /IT /R:5 /W:2 /NFL /NDL /NJH /NJS | Out-Null
    # 8 and more are failures.
    if ($LASTEXITCODE -ge 8) { throw "The program cannot be copied to ${Target}: robocopy ended with $LASTEXITCODE." }
  }
}

if ($PSCmdlet.ShouldProcess($ServiceName, 'Install or renew the service')) {
  $more = @()
  if ($namesConfig) { $more += '--config', $Config }
  if ($Account) { $more += '--account', $Account }
  Invoke-Passback service install --name $ServiceName @more
  if ($namesConfig -and -not (Test-Path -LiteralPath $Config)) {
    Copy-Item -LiteralPath (Join-Path $Target 'passback.example.yaml') -Destination $Config
    Write-Output "A commented example is in ${Config}: fill it in, then passback config check."
  }
}

if ($wasRunning -and $PSCmdlet.ShouldProcess($ServiceName, 'Start the service again')) {
  Start-Service -Name $ServiceName
  Write-Output "The service $ServiceName runs again."
}
