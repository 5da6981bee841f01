using System.Text.Json;
using Microsoft.ML.LoraInit.Checkpoints;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Checkpointing;

/// <summary>
/// What the initialisation made, kept in checkpoints: a resumed run starts from the same factors without preparing them
/// again, however costly they were.
/// </summary>
internal static class InitialAdapters
{
    private sealed record Flags(bool SubtractFromBase, bool FreezeA, bool FreezeB, double? Alpha);

    /// <summary>The tensors by name.</summary>
    public static IEnumerable<KeyValuePair<string, Tensor>> Tensors(IReadOnlyList<AdapterTarget> targets, IReadOnlyList<InitializedAdapter> adapters) =>
        from pair in targets.Zip(adapters)
        from tensor in new[] { ("A", pair.Second.A), ("B", pair.Second.B), ("N", pair.Second.N), ("base", pair.Second.ReplacementBase) }
        where tensor.Item2 is not null
        select KeyValuePair.Create(Name(pair.First, tensor.Item1), tensor.Item2);

    /// <summary>What is not in the tensors, as JSON.</summary>
    public static string Describe(IReadOnlyList<AdapterTarget> targets, IReadOnlyList<InitializedAdapter> adapters) =>
        JsonSerializer.Serialize(targets.Zip(adapters).ToDictionary(
            p => p.First.ModuleName, p => new Flags(p.Second.SubtractFromBase, p.Second.FreezeA, p.Second.FreezeB, p.Second.Alpha)));

    /// <summary>Reads the factors back; the tensors belong to the caller's dispose scope.</summary>
    public static IReadOnlyList<InitializedAdapter> Read(SafetensorsFile file, string description, IReadOnlyList<AdapterTarget> targets, Device device)
    {
        var flags = JsonSerializer.Deserialize<Dictionary<string, Flags>>(description)!;
        return
        [
            .. targets.Select(target => flags.TryGetValue(target.ModuleName, out var flag)
                ? new InitializedAdapter(file.Read(Name(target, "A"), ScalarType.Float32, device), file.Read(Name(target, "B"), ScalarType.Float32, device))
                {
                    N = Optional(Name(target, "N")),
                    ReplacementBase = Optional(Name(target, "base")),
                    SubtractFromBase = flag.SubtractFromBase,
                    FreezeA = flag.FreezeA,
                    FreezeB = flag.FreezeB,
                    Alpha = flag.Alpha,
                }
                : throw new InvalidDataException($"'{file.Name}' has no initial factors of '{target.ModuleName}'.")),
        ];

        Tensor? Optional(string name) => file.Contains(name) ? file.Read(name, ScalarType.Float32, device) : null;
    }

    private static string Name(AdapterTarget target, string part) => $"initial/{target.ModuleName}/{part}";
}
