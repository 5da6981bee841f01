namespace Microsoft.ML.LoraInit;

/// <summary>Hyper-parameters that a paper used for a task. AdamW with a linear schedule; query and value adapted; the head trained too.</summary>
/// <param name="BaseModel">The model's name on the Hugging Face hub, such as <c>FacebookAI/roberta-base</c>.</param>
/// <param name="Rank">r.</param>
/// <param name="Alpha">Numerator of the scaling alpha / r.</param>
/// <param name="LearningRate">Peak learning rate.</param>
/// <param name="BatchSize">Rows a step.</param>
/// <param name="Epochs">Passes over the training rows, of which the best counts.</param>
/// <param name="WarmupRatio">Share of the steps over which the rate rises.</param>
/// <param name="WeightDecay">AdamW's decoupled decay.</param>
/// <param name="MaxLength">Tokens a row at most; null where the source gives none for the task.</param>
/// <param name="Source">Where it is printed, and what else belongs to the setting.</param>
public sealed record GlueRecipe(
    string BaseModel, int Rank, double Alpha, double LearningRate, int BatchSize, int Epochs, double WarmupRatio, double WeightDecay, int? MaxLength, string Source);
