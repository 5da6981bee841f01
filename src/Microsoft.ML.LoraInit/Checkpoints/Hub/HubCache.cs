namespace Microsoft.ML.LoraInit.Checkpoints.Hub;

/// <summary>
/// One repository's part of the cache, in the layout of Python's huggingface_hub:
/// <code>
/// models--owner--name/blobs/&lt;etag&gt;                       contents, each once
/// models--owner--name/refs/&lt;revision&gt;                    the commit that a branch or tag pointed at
/// models--owner--name/.no_exist/&lt;commit&gt;/&lt;file&gt;         empty: the commit has no such file
/// models--owner--name/snapshots/&lt;commit&gt;/&lt;file&gt;         relative links into blobs
/// .locks/models--owner--name/&lt;etag&gt;.lock                held while a blob is written
/// </code>
/// </summary>
internal sealed class HubCache(string root, string repository)
{
    private static readonly TimeSpan LockPoll = TimeSpan.FromMilliseconds(100);

    private readonly string _folderName = "models--" + repository.Replace("/", "--", StringComparison.Ordinal);

    /// <summary>The repository's folder.</summary>
    public string Folder => Path.Combine(root, _folderName);

    public string Snapshot(string commit) => Path.Combine(Folder, "snapshots", commit);

    public string Blob(string etag) => Path.Combine(Folder, "blobs", etag);

    /// <summary>A download under way, or what is left of one.</summary>
    public string IncompleteBlob(string etag) => Blob(etag) + ".incomplete";

    /// <summary>Whether a file of a commit is there.</summary>
    public bool Has(string commit, string file) => File.Exists(Path.Combine(Snapshot(commit), file));

    /// <summary>Whether the hub once said that a commit has no such file.</summary>
    public bool IsAbsent(string commit, string file) => File.Exists(Absence(commit, file));

    /// <summary>Remembers that a commit has no such file; it never will.</summary>
    public void MarkAbsent(string commit, string file)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Absence(commit, file))!);
        AtomicFile.Write(Absence(commit, file), _ => { });
    }

    /// <summary>The commit that a revision stood for when last asked; null where it never was.</summary>
    public string? FindCommit(string revision)
    {
        if (IsCommit(revision))
            return revision;
        var path = Path.Combine(Folder, "refs", revision);
        var commit = File.Exists(path) ? File.ReadAllText(path).Trim() : null;
        return commit is not null && IsCommit(commit) ? commit : null;
    }

    /// <summary>Remembers the commit behind a branch or tag.</summary>
    public void SaveCommit(string revision, string commit)
    {
        if (revision == commit || FindCommit(revision) == commit)
            return;
        var path = Path.Combine(Folder, "refs", revision);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        AtomicFile.Write(path, stream => stream.Write(System.Text.Encoding.ASCII.GetBytes(commit)));
    }

    /// <summary>Makes a blob a file of a commit: a relative link, or a copy where the system allows no links.</summary>
    public void Link(string commit, string file, string etag)
    {
        var folder = Snapshot(commit);
        var path = Path.Combine(folder, file);
        Directory.CreateDirectory(folder);
        if (File.Exists(path))
            return;
        File.Delete(path);
        try
        {
            File.CreateSymbolicLink(path, Path.Combine("..", "..", "blobs", etag));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or PlatformNotSupportedException)
        {
            // Another process may have made it meanwhile; Windows without developer mode makes none.
            if (File.Exists(path))
                return;
            AtomicFile.Write(path, target =>
            {
                using var source = File.OpenRead(Blob(etag));
                source.CopyTo(target);
            });
        }
    }

    /// <summary>Waits until no other process (ours or Python's) writes the blob.</summary>
    public async Task<IDisposable> LockAsync(string etag, CancellationToken cancellationToken)
    {
        var path = Path.Combine(root, ".locks", _folderName, etag + ".lock");
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        while (true)
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException exception) when (IsHeldByOther(exception))
            {
                await Task.Delay(LockPoll, cancellationToken).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Whether a text is a full commit hash.</summary>
    public static bool IsCommit(string text) => text.Length == 40 && text.All(char.IsAsciiHexDigitLower);

    private string Absence(string commit, string file) => Path.Combine(Folder, ".no_exist", commit, file);

    // ERROR_SHARING_VIOLATION; EWOULDBLOCK of Linux and of macOS.
    private static bool IsHeldByOther(IOException exception) =>
        exception.GetType() == typeof(IOException) && exception.HResult is unchecked((int)0x80070020) or 11 or 35;
}
