# Completion of tracetcp for PowerShell; in $PROFILE:  . PATH/TO/tracetcp.ps1
Register-ArgumentCompleter -Native -CommandName tracetcp -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # Pairs, and no hash table: to one, -r and -R are the same key.
    $flags = @(
        [pscustomobject]@{ Flag = '-h'; Help = 'first TTL (1..255, default 1); this is not help' }
        [pscustomobject]@{ Flag = '--start-hop'; Help = 'first TTL (1..255, default 1); this is not help' }
        [pscustomobject]@{ Flag = '-m'; Help = 'number of hops, counted from the start hop (1..255, default 30)' }
        [pscustomobject]@{ Flag = '--max-hops'; Help = 'number of hops, counted from the start hop (1..255, default 30)' }
        [pscustomobject]@{ Flag = '-p'; Help = 'probes per hop (1..100, default 3)' }
        [pscustomobject]@{ Flag = '--pings'; Help = 'probes per hop (1..100, default 3)' }
        [pscustomobject]@{ Flag = '-t'; Help = 'longest wait for each reply, in milliseconds (1..99999, default 4000)' }
        [pscustomobject]@{ Flag = '--timeout'; Help = 'longest wait for each reply, in milliseconds (1..99999, default 4000)' }
        [pscustomobject]@{ Flag = '-r'; Help = 'one trace per port from P1 to P2 (0..65535)' }
        [pscustomobject]@{ Flag = '--port-range'; Help = 'one trace per port from P1 to P2 (0..65535)' }
        [pscustomobject]@{ Flag = '-s'; Help = 'easy port scan: as -c -n -r P1 P2 -h 128 -m 1 -p 1' }
        [pscustomobject]@{ Flag = '--scan'; Help = 'easy port scan: as -c -n -r P1 P2 -h 128 -m 1 -p 1' }
        [pscustomobject]@{ Flag = '-f'; Help = 'trace the targets in FILE, one a line (- for standard input)' }
        [pscustomobject]@{ Flag = '--targets'; Help = 'trace the targets in FILE, one a line (- for standard input)' }
        [pscustomobject]@{ Flag = '--rate'; Help = 'probes a second over all targets (1..100000, default 100)' }
        [pscustomobject]@{ Flag = '--resume'; Help = 'leave out what has a record in FILE, which --json wrote' }
        [pscustomobject]@{ Flag = '--all-addresses'; Help = 'trace every address of a name, and compare them' }
        [pscustomobject]@{ Flag = '-c'; Help = 'condensed output: a record a line' }
        [pscustomobject]@{ Flag = '--condensed'; Help = 'condensed output: a record a line' }
        [pscustomobject]@{ Flag = '-n'; Help = 'no reverse DNS' }
        [pscustomobject]@{ Flag = '--numeric'; Help = 'no reverse DNS' }
        [pscustomobject]@{ Flag = '--precision'; Help = 'decimals of a millisecond (0..3, default 0)' }
        [pscustomobject]@{ Flag = '-e'; Help = 'say what each trace means, and why' }
        [pscustomobject]@{ Flag = '--explain'; Help = 'say what each trace means, and why' }
        [pscustomobject]@{ Flag = '--compare'; Help = 'explain the paths of two ports and show them side by side' }
        [pscustomobject]@{ Flag = '--json'; Help = 'one JSON object a trace, one line an object' }
        [pscustomobject]@{ Flag = '--report'; Help = 'explain the trace in one Markdown text for a ticket, and say whom to call' }
        [pscustomobject]@{ Flag = '--pcap'; Help = 'keep our probes and the replies that counted' }
        [pscustomobject]@{ Flag = '--picture'; Help = 'draw the path, the branches or the compared ports into FILE (.svg, .dot or .mmd)' }
        [pscustomobject]@{ Flag = '-A'; Help = 'origin AS of each hop, looked up in DNS' }
        [pscustomobject]@{ Flag = '--asn'; Help = 'origin AS of each hop, looked up in DNS' }
        [pscustomobject]@{ Flag = '--mtu'; Help = 'after the trace, find the packet size that the connection loses, and where' }
        [pscustomobject]@{ Flag = '--say'; Help = 'after the trace, say this to the host and find who stops or answers it: tls, tls:NAME, http, http:NAME, or @FILE (one segment)' }
        [pscustomobject]@{ Flag = '--versus'; Help = 'the harmless name that --say compares with (default example.com)' }
        [pscustomobject]@{ Flag = '--idle'; Help = 'after the trace, leave connections silent for so many seconds, then find where they are forgotten' }
        [pscustomobject]@{ Flag = '--branches'; Help = 'after the trace, find every path that load sharing makes; --branches=99 for 99 %% certainty' }
        [pscustomobject]@{ Flag = '--watch'; Help = 'ask again every S seconds and tell what changes, until Ctrl-C' }
        [pscustomobject]@{ Flag = '--count'; Help = 'end the watch after N intervals' }
        [pscustomobject]@{ Flag = '--heartbeat'; Help = 'tell every S seconds how things are, changed or not' }
        [pscustomobject]@{ Flag = '--metrics'; Help = 'keep OpenMetrics text of the watch in FILE, for monitoring' }
        [pscustomobject]@{ Flag = '-F'; Help = 'no pacing and no slow retries at limited routers' }
        [pscustomobject]@{ Flag = '--no-anti-flood'; Help = 'no pacing and no slow retries at limited routers' }
        [pscustomobject]@{ Flag = '-4'; Help = 'IPv4 only' }
        [pscustomobject]@{ Flag = '-6'; Help = 'IPv6 only' }
        [pscustomobject]@{ Flag = '-i'; Help = 'send from this interface or local address' }
        [pscustomobject]@{ Flag = '--interface'; Help = 'send from this interface or local address' }
        [pscustomobject]@{ Flag = '-g'; Help = 'send through this gateway on the local link' }
        [pscustomobject]@{ Flag = '--gateway'; Help = 'send through this gateway on the local link' }
        [pscustomobject]@{ Flag = '--source-port'; Help = 'send from port N on, as another run did (1024..64512)' }
        [pscustomobject]@{ Flag = '--tos'; Help = 'TOS byte, IPv6 traffic class, of what is sent: DSCP times 4 (0..255, default 0)' }
        [pscustomobject]@{ Flag = '--mark'; Help = 'firewall mark of the probes inside this machine, for its routing rules (root)' }
        [pscustomobject]@{ Flag = '-R'; Help = 'insist on raw sockets: an error rather than the fallback' }
        [pscustomobject]@{ Flag = '--raw'; Help = 'insist on raw sockets: an error rather than the fallback' }
        [pscustomobject]@{ Flag = '--diff'; Help = 'say what changed between two files of --json; exit status 0 same, 1 different, 2 unreadable' }
        [pscustomobject]@{ Flag = '-?'; Help = 'show this help' }
        [pscustomobject]@{ Flag = '--help'; Help = 'show this help' }
        [pscustomobject]@{ Flag = '--check'; Help = 'look whether this machine can trace (to the host, if given)' }
        [pscustomobject]@{ Flag = '-v'; Help = 'show the version' }
        [pscustomobject]@{ Flag = '--version'; Help = 'show the version' }
    )
    # The words that end before the cursor, without the one that it is in.
    $before = @($commandAst.CommandElements |
            Where-Object { $_.Extent.EndOffset -lt $cursorPosition } |
            ForEach-Object { $_.Extent.Text })
    $last = if ($before.Count -gt 1) { $before[-1] } else { '' }

    if (@('--pcap', '--diff') -ccontains $last) {
        return
    }
    if (@('-i', '--interface') -ccontains $last) {
        [System.Net.NetworkInformation.NetworkInterface]::GetAllNetworkInterfaces().Name |
            Where-Object { $_ -like "$wordToComplete*" } |
            ForEach-Object {
                [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_)
            }
        return
    }
    $flags |
        Where-Object { $_.Flag.StartsWith($wordToComplete, [System.StringComparison]::Ordinal) } |
        ForEach-Object {
            [System.Management.Automation.CompletionResult]::new($_.Flag, $_.Flag, 'ParameterName', $_.Help)
        }
}
