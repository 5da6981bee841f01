namespace Microsoft.ML.LoraInit.Samples.Glue.Running;

/// <summary>What became of a grid's cells.</summary>
/// <param name="Finished">Trained in this call.</param>
/// <param name="Failed">Failed in this call, or earlier and not tried again.</param>
/// <param name="Skipped">Finished by an earlier call, or by another process meanwhile.</param>
/// <param name="Elsewhere">In another process's hands.</param>
/// <param name="Missing">Not started: the time was up, or no rate could be selected for them.</param>
internal sealed record GridSummary(int Finished, int Failed, int Skipped, int Elsewhere = 0, int Missing = 0);
