namespace Microsoft.ML.LoraInit;

/// <summary>Learning-rate schedules after warm-up.</summary>
public enum LearningRateSchedule
{
    /// <summary>Linearly to zero.</summary>
    Linear,

    /// <summary>Half a cosine to zero.</summary>
    Cosine,

    /// <summary>Stays.</summary>
    Constant,
}
