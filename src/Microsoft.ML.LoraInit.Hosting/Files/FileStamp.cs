namespace Microsoft.ML.LoraInit.Hosting.Files;

/// <summary>What tells one state of a file from another without reading it.</summary>
/// <param name="Place">Where it really lies, once all links are followed, those of its folders too.</param>
/// <param name="WrittenAt">Last time it was written.</param>
/// <param name="Length">Bytes.</param>
internal readonly record struct FileStamp(string Place, DateTimeOffset WrittenAt, long Length)
{
    private const int MostLinks = 40;

    /// <summary>Null where there is no such file.</summary>
    public static FileStamp? Of(string path)
    {
        if (RealPath(path) is not { } place)
            return null;
        var file = new FileInfo(place);
        return file.Exists ? new(place, file.LastWriteTimeUtc, file.Length) : null;
    }

    /// <summary>
    /// The path without links. A volume that Kubernetes mounts is swapped by one link to a folder, and the file's own link stays the same.
    /// </summary>
    private static string? RealPath(string path)
    {
        int links = 0;
        var root = Path.GetPathRoot(path) ?? "";
        var left = new Stack<string>(path[root.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries).Reverse());
        var real = root;
        while (left.TryPop(out var part))
        {
            var next = Path.GetFullPath(Path.Combine(real, part));
            if (new FileInfo(next).LinkTarget is not { } target)
            {
                real = next;
                continue;
            }
            if (++links > MostLinks)
                return null; // a ring
            var full = Path.GetFullPath(Path.Combine(real, target));
            real = Path.GetPathRoot(full) ?? "";
            foreach (var piece in full[real.Length..].Split(Path.DirectorySeparatorChar, StringSplitOptions.RemoveEmptyEntries).Reverse())
                left.Push(piece);
        }
        return real;
    }
}
