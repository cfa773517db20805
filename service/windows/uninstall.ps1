#Requires -Version 5.1
<#
.SYNOPSIS
  Removes the Passback agent's service and program.

.DESCRIPTION
  Stops the service with a drain, removes it and the program. Configuration, secrets and state stay,
  unless -Purge is given. May be run again when nothing is left.

.PARAMETER Target
  Where the program is.

.PARAMETER Purge
  Also deletes C:\ProgramData\Passback: the agent would have to be enrolled anew. Revoke it at the
  reset service, too: passback-cloud agent revoke.

.EXAMPLE
  .\uninstall.ps1 -WhatIf
#>
[CmdletBinding(SupportsShouldProcess, ConfirmImpact = 'Medium')]
param(
  # ProgramFiles is another folder in a PowerShell of 32 bits, which tools that distribute software start.
  [string] $Target = (Join-Path $env:ProgramW6432 'Passback'),
  [switch] $Purge
)

Set-StrictMode -Version 3.0
$ErrorActionPreference = 'Stop'
$PSNativeCommandUseErrorActionPreference = $false # exit codes are looked at here

$ServiceName = 'passback'

$me = [Security.Principal.WindowsPrincipal] [Security.Principal.WindowsIdentity]::GetCurrent()
if (-not $me.IsInRole([Security.Principal.WindowsBuiltInRole]::Administrator)) {
  throw 'Administrator rights are needed: open PowerShell with "Run as administrator" and run this again there.'
}

# Before the current folder becomes another.
$Target = $PSCmdlet.GetUnresolvedProviderPathFromPSPath($Target)
$node = Join-Path $Target 'node.exe'
$program = Join-Path $Target 'passback.js'
if (Test-Path -LiteralPath $program) {
  if ($PSCmdlet.ShouldProcess($ServiceName, 'Stop and remove the service')) {
    & $node $program service uninstall --name $ServiceName
    if ($LASTEXITCODE -ne 0) { throw "passback service uninstall ended with $LASTEXITCODE." }
  }
  if ($PSCmdlet.ShouldProcess($Target, 'Delete the program')) {
    # A folder in which somebody stands cannot be deleted: neither this session nor its process may.
    Set-Location -LiteralPath $env:SystemRoot
    [Environment]::CurrentDirectory = $env:SystemRoot
    Remove-Item -LiteralPath $Target -Recurse -Force
  }
} elseif (Get-Service -Name $ServiceName -ErrorAction SilentlyContinue) {
  throw "The program is not in $Target, but the service is there: name its folder with -Target."
} else {
  Write-Output "There is no Passback in ${Target}: nothing to do."
}

$data = Join-Path $env:ProgramData 'Passback'
if ($Purge -and (Test-Path -LiteralPath $data) -and $PSCmdlet.ShouldProcess($data, 'Delete configuration, secrets and state')) {
  Remove-Item -LiteralPath $data -Recurse -Force
}
