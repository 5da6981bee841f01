using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>SHA-256 of weights files, streamed; remembered in the process for files that have not changed since.</summary>
internal static class WeightsHash
{
    private const int BufferSize = 1 << 20;
    private static readonly ConcurrentDictionary<string, string> Seen = new(StringComparer.Ordinal);

    /// <summary>The hash of the files' bytes, one file after the other, as lower-case hexadecimal.</summary>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static string Of(IReadOnlyList<string> paths, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        var key = string.Join('|', paths.Select(Stamp));
        if (Seen.TryGetValue(key, out var known))
            return known;

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var path in paths)
        {
            progress?.Report(new TrainingProgress { Phase = TrainingPhase.LoadingModel, Message = $"Checking {Path.GetFileName(path)}" });
            using var stream = File.OpenRead(path);
            Append(hash, stream, cancellationToken);
        }
        return Seen[key] = Finish(hash);
    }

    /// <summary>The hash of a stream from its position to its end.</summary>
    public static string Of(Stream stream)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, stream, CancellationToken.None);
        return Finish(hash);
    }

    private static void Append(IncrementalHash hash, Stream stream, CancellationToken cancellationToken)
    {
        var buffer = new byte[BufferSize];
        int count;
        while ((count = stream.Read(buffer)) > 0)
        {
            cancellationToken.ThrowIfCancellationRequested();
            hash.AppendData(buffer, 0, count);
        }
    }

    private static string Finish(IncrementalHash hash) => Convert.ToHexStringLower(hash.GetHashAndReset());

    // Length and time of the file itself, not of a link that points at it.
    private static string Stamp(string path)
    {
        var file = new FileInfo(path);
        if (file.ResolveLinkTarget(returnFinalTarget: true) is FileInfo target)
            file = target;
        return $"{file.FullName}:{file.Length}:{file.LastWriteTimeUtc.Ticks}";
    }
}
