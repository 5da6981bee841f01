using Microsoft.ML.LoraInit.Data;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>Sets a share of the rows aside.</summary>
internal static class ValidationSplit
{
    /// <summary>Draws the validation rows by seed; both parts keep the rows' order and have at least one row.</summary>
    /// <exception cref="ArgumentException">There is one row only.</exception>
    public static (TextDataset Train, TextDataset Validation) Split(TextDataset rows, double fraction, int seed)
    {
        if (rows.Count < 2)
            throw new ArgumentException($"ValidationFraction = {fraction} cannot be taken from {rows.Count} row: give more rows, or set it to 0.");
        var order = new SeededRandom(SeededRandom.Hash(seed, "validation split")).Permutation(rows.Count);
        var count = Math.Clamp((int)Math.Round(rows.Count * fraction), 1, rows.Count - 1);
        return (rows.Take([.. order.Skip(count).Order()]), rows.Take([.. order.Take(count).Order()]));
    }
}
