using System.Collections.Concurrent;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Microsoft.ML.LoraInit.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Initialization.Numerics;

/// <summary>
/// Fitted factors on disk, one safetensors file a result. The name is the hash of everything that they depend on: the
/// base's SHA-256, the layers with shapes and ranks, and the run's settings; so a file is either right or not found.
/// </summary>
internal sealed class FactorizationCache
{
    private static readonly ConcurrentDictionary<string, Lock> Gates = new(StringComparer.Ordinal);

    private readonly string _path;

    /// <param name="folder">Created when something is stored.</param>
    /// <param name="baseSha256">The base weights' hash.</param>
    /// <param name="targets">The layers.</param>
    /// <param name="settings">Steps, seed and whatever else the result depends on, printed the same way each time.</param>
    public FactorizationCache(string folder, string baseSha256, IEnumerable<AdapterTarget> targets, string settings)
    {
        var text = new StringBuilder().AppendLine("factorization 1").AppendLine(baseSha256).AppendLine(settings);
        foreach (var target in targets.OrderBy(t => t.ModuleName, StringComparer.Ordinal))
            text.AppendLine(CultureInfo.InvariantCulture, $"{target.ModuleName} {target.OutFeatures}x{target.InFeatures} {target.Rank}");
        var key = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
        _path = Path.Combine(folder, $"inilora-{key[..32]}.safetensors");
    }

    /// <summary>The folder for those who name none: in the user's cache, apart from other programs' files.</summary>
    public static string DefaultFolder => Path.Combine(
        Environment.GetEnvironmentVariable("XDG_CACHE_HOME") is { Length: > 0 } cache
            ? cache
            : Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify),
        "Microsoft.ML.LoraInit", "factorizations");

    /// <summary>To be held while a result is looked for and, where it is not there, computed: runs in parallel that want the same one wait for it.</summary>
    public Lock Gate => Gates.GetOrAdd(_path, _ => new());

    /// <summary>The stored factors by module name, on the device; null where there are none.</summary>
    public Dictionary<string, (Tensor A, Tensor B)>? Load(IEnumerable<AdapterTarget> targets, Device device)
    {
        if (!File.Exists(_path))
            return null;
        using var file = SafetensorsFile.Open(_path);
        return targets.ToDictionary(t => t.ModuleName, t => (
            file.Read($"{t.ModuleName}.A", ScalarType.Float32, device),
            file.Read($"{t.ModuleName}.B", ScalarType.Float32, device)));
    }

    /// <summary>Stores factors, as a whole or not at all.</summary>
    /// <exception cref="IOException">The folder cannot be written to.</exception>
    public void Store(IReadOnlyDictionary<string, (Tensor A, Tensor B)> factors)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
        SafetensorsWriter.Write(_path, factors.SelectMany(f => new[]
        {
            KeyValuePair.Create($"{f.Key}.A", f.Value.A),
            KeyValuePair.Create($"{f.Key}.B", f.Value.B),
        }));
    }
}
