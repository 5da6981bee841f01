using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints.Hub;

/// <summary>An HTTP server on 127.0.0.1 that hands each request to a function.</summary>
internal class LoopbackServer : IDisposable
{
    private readonly HttpListener _listener;
    private readonly Task _loop;

    public LoopbackServer(Action<HttpListenerContext>? handle = null)
    {
        Handle = handle ?? (context => Answer(context, HttpStatusCode.NotFound));
        (_listener, Address) = Listen();
        _loop = Task.Run(ServeAsync);
    }

    public Uri Address { get; }

    /// <summary>Method, path and the headers of interest of every request, in order.</summary>
    public ConcurrentQueue<(string Method, string Path, string? Authorization, string? Range)> Requests { get; } = new();

    protected Action<HttpListenerContext> Handle { get; set; }

    public void Dispose()
    {
        _listener.Close();
        _loop.Wait();
        GC.SuppressFinalize(this);
    }

    /// <summary>Ends a request without content.</summary>
    public static void Answer(HttpListenerContext context, HttpStatusCode status, params (string Name, string Value)[] headers)
    {
        context.Response.StatusCode = (int)status;
        foreach (var (name, value) in headers)
            context.Response.Headers[name] = value;
        if (context.Request.HttpMethod != "HEAD")
            context.Response.ContentLength64 = 0;
        context.Response.Close();
    }

    /// <summary>Sends bytes, honouring a Range header; after <paramref name="cutAfter"/> bytes the connection breaks.</summary>
    public static void Send(HttpListenerContext context, byte[] content, int? cutAfter = null, bool ranges = true)
    {
        int from = 0;
        if (ranges && context.Request.Headers["Range"] is { } range)
        {
            from = int.Parse(range["bytes=".Length..^1], System.Globalization.CultureInfo.InvariantCulture);
            if (from >= content.Length)
            {
                Answer(context, HttpStatusCode.RequestedRangeNotSatisfiable);
                return;
            }
            context.Response.StatusCode = (int)HttpStatusCode.PartialContent;
            context.Response.Headers["Content-Range"] = $"bytes {from}-{content.Length - 1}/{content.Length}";
        }
        context.Response.ContentLength64 = content.Length - from;
        if (context.Request.HttpMethod == "HEAD")
        {
            context.Response.Close();
            return;
        }
        int count = Math.Min(content.Length - from, cutAfter ?? int.MaxValue);
        context.Response.OutputStream.Write(content, from, count);
        context.Response.OutputStream.Flush();
        if (count < content.Length - from)
            context.Response.Abort();
        else
            context.Response.Close();
    }

    private async Task ServeAsync()
    {
        while (_listener.IsListening)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception exception) when (exception is HttpListenerException or ObjectDisposedException or InvalidOperationException)
            {
                return;
            }
            var request = context.Request;
            Requests.Enqueue((request.HttpMethod, Uri.UnescapeDataString(request.RawUrl!), request.Headers["Authorization"], request.Headers["Range"]));
            try
            {
                Handle(context);
            }
            catch (Exception exception) when (exception is IOException or HttpListenerException or ObjectDisposedException)
            {
                // The client has gone, as a cancelled one does.
            }
        }
    }

    private static (HttpListener, Uri) Listen()
    {
        while (true)
        {
            int port;
            using (var probe = new TcpListener(IPAddress.Loopback, 0))
            {
                probe.Start();
                port = ((IPEndPoint)probe.LocalEndpoint).Port;
            }
            var listener = new HttpListener();
            listener.Prefixes.Add($"http://127.0.0.1:{port}/");
            try
            {
                listener.Start();
                return (listener, new Uri($"http://127.0.0.1:{port}"));
            }
            catch (HttpListenerException)
            {
                // Another process took the port in between.
                listener.Close();
            }
        }
    }
}
