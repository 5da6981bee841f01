using System.IO.Compression;
using Microsoft.ML.LoraInit.Glue.Download;

namespace Microsoft.ML.LoraInit;

/// <summary>
/// Brings GLUE's official archives, checked by SHA-256, and lays their files out as <see cref="GlueTask.Load"/> reads
/// them. The data's terms are its owners'; some of it is for research only.
/// </summary>
public sealed class GlueDownloader
{
    private readonly ArchiveDownload _download;
    private readonly Func<GlueTask, IReadOnlyList<GlueArchive>> _archives;

    /// <summary>Makes a downloader.</summary>
    /// <param name="options">How; null for the defaults.</param>
    public GlueDownloader(GlueDownloadOptions? options = null)
        : this(options ?? new(), uri => uri, GlueArchives.For)
    {
    }

    internal GlueDownloader(GlueDownloadOptions options, Func<Uri, Uri> address, Func<GlueTask, IReadOnlyList<GlueArchive>> archives)
    {
        _download = new(options, address);
        _archives = archives;
    }

    /// <summary>Makes a task's folder with its training and dev file in <paramref name="directory"/>; at once where both are there.</summary>
    /// <returns>The task's folder.</returns>
    /// <exception cref="GlueDataException">The archive lacks a file, or is absent and <see cref="GlueDownloadOptions.Offline"/> is set.</exception>
    /// <exception cref="InvalidDataException">The content is not what its checksum says.</exception>
    /// <exception cref="HttpRequestException">Refused, or unreachable in every attempt; what has arrived is kept for the next.</exception>
    public async Task<string> DownloadAsync(GlueTask task, string directory, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(task);
        ArgumentNullException.ThrowIfNull(directory);
        var folder = Path.Combine(directory, task.Folder);
        if (Present(folder, task.TrainFiles) && Present(folder, task.DevFiles))
            return folder;
        var paths = new List<string>();
        foreach (var archive in _archives(task))
            paths.Add(await _download.GetAsync(archive, Path.Combine(directory, "archives"), cancellationToken).ConfigureAwait(false));
        Directory.CreateDirectory(folder);
        if (task == GlueTask.Mrpc)
            MrpcSplit.Write(paths[0], paths[1], folder);
        else
            Extract(task, paths[0], folder);
        return folder;
    }

    private static bool Present(string folder, IReadOnlyList<string> names) => names.Any(n => File.Exists(Path.Combine(folder, n)));

    // Only the files asked for, by name, so that no entry's path is ever used as one.
    private static void Extract(GlueTask task, string archive, string folder)
    {
        using var zip = Open(archive);
        foreach (var names in new[] { task.TrainFiles, task.DevFiles })
        {
            var entry = zip.Entries.Where(e => names.Contains(e.Name) && !e.FullName.Contains("original", StringComparison.OrdinalIgnoreCase))
                .OrderBy(e => e.FullName.Length).FirstOrDefault()
                ?? throw new GlueDataException(archive, null, null, $"the archive has no file {string.Join(" or ", names)}.");
            WholeFile.Write(Path.Combine(folder, entry.Name), stream =>
            {
                using var content = entry.Open();
                content.CopyTo(stream);
            });
        }
    }

    private static ZipArchive Open(string archive)
    {
        try
        {
            return ZipFile.OpenRead(archive);
        }
        catch (InvalidDataException e)
        {
            throw new GlueDataException(archive, null, null, "this is not a zip archive; delete it and download again.", e);
        }
    }
}

/// <summary>How to download.</summary>
public sealed record GlueDownloadOptions
{
    /// <summary>Use the archives that are there and no network. Default false.</summary>
    public bool Offline { get; init; }

    /// <summary>Told what has arrived, or null.</summary>
    public IProgress<GlueDownloadProgress>? Progress { get; init; }

    /// <summary>The pause before the second attempt; it doubles from then on. Default one second.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(1);
}

/// <summary>What has arrived of a file.</summary>
public sealed record GlueDownloadProgress
{
    /// <summary>The archive.</summary>
    public required string FileName { get; init; }

    /// <summary>Bytes so far, those of an earlier attempt included.</summary>
    public long Bytes { get; init; }

    /// <summary>Bytes in all, or null where the server does not say.</summary>
    public long? TotalBytes { get; init; }
}
