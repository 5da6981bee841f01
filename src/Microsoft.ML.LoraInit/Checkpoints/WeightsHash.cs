using System.Collections.Concurrent;
using System.Security.Cryptography;

namespace Microsoft.ML.LoraInit.Checkpoints;

/// <summary>SHA-256 of weights files, streamed; remembered in the process for files that have not changed since.</summary>
internal static class WeightsHash
{
    private const int BufferSize = 1 << 20;
    private static readonly ConcurrentDictionary<string, string> Seen = new(StringComparer.Ordinal);

    /// <summary>The hash of the files' bytes, one file after the other, as lower-case hexadecimal.</summary>
    /// <remarks>Of the files as they were opened, so that it belongs to the tensors read from them also where another process replaces one.</remarks>
    /// <exception cref="InvalidDataException">A file was changed since it was opened.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static string Of(IReadOnlyList<SafetensorsFile> files, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        var key = string.Join('|', files.Select(f => f.Stamp));
        if (Seen.TryGetValue(key, out var known))
            return known;

        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var file in files)
        {
            progress?.Report(new TrainingProgress { Phase = TrainingPhase.LoadingModel, Message = $"Checking {Path.GetFileName(file.Name)}" });
            file.AppendTo(hash, cancellationToken);
        }
        return Seen[key] = Finish(hash);
    }

    /// <summary>The hash of a stream from its position to its end.</summary>
    public static string Of(Stream stream)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[BufferSize];
        int count;
        while ((count = stream.Read(buffer)) > 0)
            hash.AppendData(buffer, 0, count);
        return Finish(hash);
    }

    private static string Finish(IncrementalHash hash) => Convert.ToHexStringLower(hash.GetHashAndReset());
}
