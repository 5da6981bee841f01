using System.Net;
using System.Security.Cryptography;
using System.Text;

namespace Microsoft.ML.LoraInit.Tests.Checkpoints.Hub;

/// <summary>
/// A hub with one repository. Small files are served as Git blobs; safetensors as large files, by a redirect to
/// another server, as the hub's storage is one.
/// </summary>
internal sealed class FakeHub : LoopbackServer
{
    public const string Repository = "owner/tiny-roberta";

    private readonly Dictionary<string, Dictionary<string, byte[]>> _commits = [];
    private readonly Dictionary<string, string> _refs = [];

    public FakeHub(Dictionary<string, byte[]> files)
    {
        Storage = new LoopbackServer(ServeStorage);
        Handle = Serve;
        Main = Commit('a', files, "main");
    }

    /// <summary>Where large files lie: another origin.</summary>
    public LoopbackServer Storage { get; }

    /// <summary>The commit of the files given at construction.</summary>
    public string Main { get; }

    /// <summary>Lengths after which the next storage answers break off, in order.</summary>
    public Queue<int> Cuts { get; } = new();

    /// <summary>Whether storage honours Range.</summary>
    public bool Ranges { get; set; } = true;

    /// <summary>Content that storage sends in place of the right one.</summary>
    public Func<byte[], byte[]> Spoil { get; set; } = content => content;

    /// <summary>The token without which everything is refused.</summary>
    public string? RequiredToken { get; set; }

    /// <summary>Status codes for the next requests, in order, in place of an answer.</summary>
    public Queue<HttpStatusCode> Failures { get; } = new();

    /// <summary>An id from which requests are redirected to <see cref="Repository"/>, as after a rename.</summary>
    public string? FormerName { get; set; }

    /// <summary>Adds a commit of forty times <paramref name="digit"/> and points a revision at it.</summary>
    public string Commit(char digit, Dictionary<string, byte[]> files, string revision)
    {
        var commit = new string(digit, 40);
        _commits[commit] = files;
        _refs[revision] = commit;
        return commit;
    }

    /// <summary>What the hub names a file's content by.</summary>
    public static string Etag(string name, byte[] content) => IsLarge(name)
        ? Convert.ToHexStringLower(SHA256.HashData(content))
        : Convert.ToHexStringLower(SHA1.HashData([.. Encoding.ASCII.GetBytes($"blob {content.Length}\0"), .. content]));

    private static bool IsLarge(string name) => name.EndsWith(".safetensors", StringComparison.Ordinal) || name.EndsWith(".bin", StringComparison.Ordinal);

    private void Serve(HttpListenerContext context)
    {
        if (Failures.TryDequeue(out var failure))
        {
            Answer(context, failure);
            return;
        }
        var path = context.Request.RawUrl!.TrimStart('/');
        if (FormerName is not null && path.StartsWith(FormerName, StringComparison.Ordinal))
        {
            Answer(context, HttpStatusCode.TemporaryRedirect, ("Location", "/" + Repository + path[FormerName.Length..]));
            return;
        }
        if (RequiredToken is not null && context.Request.Headers["Authorization"] != $"Bearer {RequiredToken}")
        {
            Answer(context, HttpStatusCode.Unauthorized, ("X-Error-Code", "RepoNotFound"));
            return;
        }
        var parts = path.Split('/');
        if (parts.Length != 5 || $"{parts[0]}/{parts[1]}" != Repository)
        {
            Answer(context, HttpStatusCode.NotFound, ("X-Error-Code", "RepoNotFound"));
            return;
        }
        var revision = Uri.UnescapeDataString(parts[3]);
        var commit = _refs.GetValueOrDefault(revision, revision);
        if (!_commits.TryGetValue(commit, out var files))
            Answer(context, HttpStatusCode.NotFound, ("X-Error-Code", "RevisionNotFound"));
        else if (!files.TryGetValue(parts[4], out var content))
            Answer(context, HttpStatusCode.NotFound, ("X-Error-Code", "EntryNotFound"), ("X-Repo-Commit", commit));
        else
            ServeFile(context, commit, parts[4], content);
    }

    private void ServeFile(HttpListenerContext context, string commit, string name, byte[] content)
    {
        var etag = Etag(name, content);
        context.Response.Headers["X-Repo-Commit"] = commit;
        if (IsLarge(name))
        {
            Answer(context, HttpStatusCode.Found,
                ("Location", new Uri(Storage.Address, $"{commit}/{name}").ToString()),
                ("X-Linked-Etag", $"\"{etag}\""),
                ("X-Linked-Size", content.Length.ToString(System.Globalization.CultureInfo.InvariantCulture)));
            return;
        }
        context.Response.Headers["ETag"] = $"\"{etag}\"";
        Send(context, content);
    }

    private void ServeStorage(HttpListenerContext context)
    {
        var parts = context.Request.RawUrl!.Trim('/').Split('/');
        var content = Spoil(_commits[parts[0]][parts[1]]);
        Send(context, content, Cuts.TryDequeue(out var cut) ? cut : null, Ranges);
    }
}
