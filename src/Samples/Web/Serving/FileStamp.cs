namespace Microsoft.ML.LoraInit.Samples.Web.Serving;

/// <summary>What tells one state of a file from another without reading it.</summary>
/// <param name="WrittenAt">Last time it was written.</param>
/// <param name="Length">Bytes.</param>
internal readonly record struct FileStamp(DateTimeOffset WrittenAt, long Length)
{
    /// <summary>Null where there is no such file.</summary>
    public static FileStamp? Of(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists)
            return null;
        // Where the path is a link, as in a mounted configuration, its target is what changes.
        var target = file.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? file;
        return target.Exists ? new(target.LastWriteTimeUtc, target.Length) : null;
    }
}
