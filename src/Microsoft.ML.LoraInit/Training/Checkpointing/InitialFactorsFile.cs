using System.Text.Json;
using Microsoft.ML.LoraInit.Checkpoints;
using Microsoft.ML.LoraInit.Core;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Training.Checkpointing;

/// <summary>
/// What the initialisation made, kept in checkpoints: a resumed run starts from the same factors without preparing them
/// again, however costly they were.
/// </summary>
internal static class InitialFactorsFile
{
    private static readonly JsonSerializerOptions Json = UntrustedJson.Strict(new(JsonSerializerDefaults.General));

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
            p => p.First.ModuleName, p => new Flags(p.Second.SubtractFromBase, p.Second.FreezeA, p.Second.FreezeB, p.Second.Alpha)), Json);

    /// <summary>Reads the factors back; the tensors belong to the caller's dispose scope.</summary>
    public static IReadOnlyList<InitializedAdapter> Read(SafetensorsFile file, string description, IReadOnlyList<AdapterTarget> targets, Device device)
    {
        var flags = UntrustedJson.Read<Dictionary<string, Flags?>>(description, new($"The description of the initial factors in '{file.Name}'", ""), Json);
        return
        [
            .. targets.Select(target => flags.TryGetValue(target.ModuleName, out var flag) && flag is not null
                ? new InitializedAdapter(Factor(target, "A", Rank(target), target.InFeatures), Factor(target, "B", target.OutFeatures, Rank(target)))
                {
                    N = Optional(target, "N", Rank(target), Rank(target)),
                    ReplacementBase = Optional(target, "base", target.OutFeatures, target.InFeatures),
                    SubtractFromBase = flag.SubtractFromBase,
                    FreezeA = flag.FreezeA,
                    FreezeB = flag.FreezeB,
                    Alpha = flag.Alpha,
                }
                : throw new InvalidDataException($"'{file.Name}' has no initial factors of '{target.ModuleName}'.")),
        ];

        // The data may have chosen another rank than was planned, or none.
        long Rank(AdapterTarget target) => file.Info(Name(target, "A")).Shape is [var rank, _] && rank <= Math.Min(target.InFeatures, target.OutFeatures)
            ? rank
            : throw new InvalidDataException($"'{Name(target, "A")}' has no rank that the layer can have");

        Tensor? Optional(AdapterTarget target, string part, long rows, long columns) => file.Contains(Name(target, part)) ? Factor(target, part, rows, columns) : null;

        Tensor Factor(AdapterTarget target, string part, long rows, long columns) => file.Info(Name(target, part)).Shape is [var r, var c] && r == rows && c == columns
            ? file.Read(Name(target, part), ScalarType.Float32, device)
            : throw new InvalidDataException($"'{Name(target, part)}' does not have the shape [{rows}, {columns}]");
    }

    private static string Name(AdapterTarget target, string part) => $"initial/{target.ModuleName}/{part}";
}
