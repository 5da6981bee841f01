namespace Microsoft.ML.LoraInit.Data;

/// <summary>What a trainer's label column holds.</summary>
internal enum LabelKind
{
    /// <summary>A class, as a key with a known number of values: multiclass.</summary>
    Key,

    /// <summary>True or false: binary.</summary>
    Boolean,

    /// <summary>A finite number: regression.</summary>
    Single,

    /// <summary>Whether each of several labels is true, as a vector of known size: multi-label.</summary>
    Vector,
}
