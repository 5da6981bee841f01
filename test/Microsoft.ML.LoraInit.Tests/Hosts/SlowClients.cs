using System.Diagnostics;
using System.Net.Sockets;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

/// <summary>
/// Clients that send 300 bytes a second of the 64 kB that they announced: whoever waits for one of them waits for minutes, and so longer than
/// <see cref="Patience"/>, on a busy machine too.
/// </summary>
internal sealed class SlowClients : IAsyncDisposable
{
    public const int BytesPerSecond = 300;

    private const int Announced = 64 << 10;

    private readonly CancellationTokenSource _stop = new();
    private readonly CountdownEvent _begun;
    private readonly Task[] _clients;
    private int _sending;

    private SlowClients(Uri address, int count)
    {
        _begun = new(count);
        _clients = [.. Enumerable.Range(0, count).Select(_ => Send(address))];
    }

    /// <summary>Of the web sample: fewer places than clients, and no end of a request before the clients' own.</summary>
    public static string[] Options { get; } = ["--concurrency", "4", "--timeout", "600"];

    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(90);

    /// <summary>Those whose request is under way.</summary>
    public int Sending => Volatile.Read(ref _sending);

    /// <summary>Returns when each has begun.</summary>
    public static async Task<SlowClients> Start(Uri address, int count)
    {
        var clients = new SlowClients(address, count);
        while (!clients._begun.IsSet)
        {
            await Task.WhenAny(Task.Delay(20), Task.WhenAny(clients._clients));
            Assert.IsFalse(clients._clients.Any(c => c.IsFaulted), "a slow client cannot connect");
        }
        return clients;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_clients);
        _stop.Dispose();
        _begun.Dispose();
    }

    private async Task Send(Uri address)
    {
        while (!_stop.IsCancellationRequested)
        {
            using var client = new TcpClient();
            await client.ConnectAsync(address.Host, address.Port, CancellationToken.None);
            try
            {
                await client.GetStream().WriteAsync(WebHardeningTests.Head(Announced), _stop.Token);
                Interlocked.Increment(ref _sending);
                try
                {
                    if (!_begun.IsSet)
                        _begun.Signal();
                    await SendBody(client.GetStream());
                }
                finally
                {
                    Interlocked.Decrement(ref _sending);
                }
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
            {
                // The test is over, or a server that got too little for a while has hung up: then it begins again.
            }
        }
    }

    // As many as are due: a thread that was kept waiting makes up for it, or the server takes the client for dead.
    private async Task SendBody(NetworkStream stream)
    {
        var watch = Stopwatch.StartNew();
        for (int sent = 0; sent < Announced - BytesPerSecond;)
        {
            await Task.Delay(100, _stop.Token);
            int due = Math.Min((int)(watch.Elapsed.TotalSeconds * BytesPerSecond), Announced - BytesPerSecond) - sent;
            await stream.WriteAsync(new byte[due].AsMemory(), _stop.Token);
            sent += due;
        }
        await Task.Delay(Timeout.InfiniteTimeSpan, _stop.Token);
    }
}
