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
    private const string ChecksumKey = "lorainit.sha256";

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

    /// <summary>The stored factors by module name, on the device; null where there are none, or none that can be read.</summary>
    /// <param name="targets">The layers.</param>
    /// <param name="device">Where the factors are wanted.</param>
    /// <param name="warn">Told, once, why a file could not be used.</param>
    public Dictionary<string, (Tensor A, Tensor B)>? Load(IEnumerable<AdapterTarget> targets, Device device, Action<string> warn)
    {
        try
        {
            if (!File.Exists(_path))
                return null;
            using var file = SafetensorsFile.Open(_path);
            // Files of 0.1.0 have none.
            if (file.Metadata.ContainsKey(ChecksumKey))
                file.CheckSum(ChecksumKey);
            return targets.ToDictionary(t => t.ModuleName, t => (
                Factor(file, $"{t.ModuleName}.A", device, t.Rank, t.InFeatures), Factor(file, $"{t.ModuleName}.B", device, t.OutFeatures, t.Rank)));
        }
        catch (Exception e) when (e is InvalidDataException or IOException or UnauthorizedAccessException)
        {
            warn($"The stored factorisation cannot be used and is computed again: {e.Message}");
            return null;
        }
    }

    /// <summary>Stores factors, as a whole or not at all: a chance for other runs, nothing that this one needs.</summary>
    /// <param name="factors">By module name.</param>
    /// <param name="warn">Told why they could not be stored.</param>
    public void Store(IReadOnlyDictionary<string, (Tensor A, Tensor B)> factors, Action<string> warn)
    {
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            var tensors = factors.SelectMany(f => new[] { KeyValuePair.Create($"{f.Key}.A", f.Value.A), KeyValuePair.Create($"{f.Key}.B", f.Value.B) });
            SafetensorsWriter.WriteChecked(_path, tensors, new Dictionary<string, string>(), ChecksumKey);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            warn($"The factorisation could not be stored for other runs: {e.Message}");
        }
    }

    private static Tensor Factor(SafetensorsFile file, string name, Device device, long rows, long columns) =>
        file.Info(name).Shape is [var r, var c] && r == rows && c == columns ? file.Read(name, ScalarType.Float32, device)
        : throw new InvalidDataException($"'{file.Name}': '{name}' does not have the shape [{rows}, {columns}].");
}
