namespace Microsoft.ML.LoraInit;

/// <summary>
/// Two temperatures in place of one. Distances of logits (from the predicted class's; of yes or no and of labels, from 0) up to
/// <see cref="At"/> are divided by <see cref="Near"/>, and what goes beyond by <see cref="Far"/>. A model that has learned some rows'
/// wrong labels by heart says 60 to 90 % of rows that are anybody's guess, and 99 % of the others: one temperature cannot mend both.
/// </summary>
/// <param name="Near">The temperature of the first part, in [0.05, 20].</param>
/// <param name="At">Where it ends, above 0: a distance of logits.</param>
/// <param name="Far">The temperature of the rest, in [0.05, 20].</param>
/// <remarks>The order of the classes stays, as both temperatures are above 0. Of this library, not of a paper.</remarks>
public sealed record TemperatureBend(double Near, double At, double Far)
{
    /// <summary>A distance, of either sign, calibrated.</summary>
    internal double Apply(double distance)
    {
        var near = Math.Clamp(distance, -At, At);
        return (near / Near) + ((distance - near) / Far);
    }

    /// <summary>The distance that <see cref="Apply"/> makes this of.</summary>
    internal double Invert(double calibrated)
    {
        var near = Math.Clamp(calibrated, -At / Near, At / Near);
        return (near * Near) + ((calibrated - near) * Far);
    }
}
