namespace Microsoft.ML.LoraInit.Onnx;

/// <summary>A graph as it is built, node by node; a node is named after its first output.</summary>
internal sealed class OnnxGraph(string name)
{
    private readonly List<ProtobufMessage> _nodes = [];
    private readonly Dictionary<string, OnnxTensor> _constants = new(StringComparer.Ordinal);

    public string Name => name;

    public List<OnnxValue> Inputs { get; } = [];

    public List<OnnxValue> Outputs { get; } = [];

    /// <summary>The nodes as NodeProto, in an order in which they can be computed.</summary>
    public IReadOnlyList<ProtobufMessage> Nodes => _nodes;

    public IReadOnlyCollection<OnnxTensor> Constants => _constants.Values;

    /// <summary>What the names of the next nodes begin with.</summary>
    public string Scope { get; set; } = "";

    /// <summary>Adds a constant, or finds that of the same name.</summary>
    /// <returns>Its name.</returns>
    public string Constant(OnnxTensor tensor)
    {
        _constants.TryAdd(tensor.Name, tensor);
        return tensor.Name;
    }

    /// <summary>Adds a node of one output.</summary>
    /// <param name="operation">An operator of the default domain.</param>
    /// <param name="inputs">Names of constants, of inputs, or of nodes before.</param>
    /// <param name="attributes">Integers, or lists of them.</param>
    /// <returns>The output's name.</returns>
    public string Add(string operation, string[] inputs, params (string Name, object Value)[] attributes) =>
        AddAs($"{Scope}/{operation}_{_nodes.Count}", operation, inputs, attributes);

    /// <summary>Adds a node whose output has a name of its own, such as one of the graph's outputs.</summary>
    public string AddAs(string output, string operation, string[] inputs, params (string Name, object Value)[] attributes) =>
        Add([output], operation, inputs, attributes)[0];

    /// <summary>Adds a node of several outputs, which are named after it.</summary>
    /// <returns>The outputs' names.</returns>
    public string[] AddSeveral(string operation, string[] inputs, params string[] outputs) =>
        Add([.. outputs.Select(o => $"{Scope}/{operation}_{_nodes.Count}/{o}")], operation, inputs);

    private string[] Add(string[] outputs, string operation, string[] inputs, params (string Name, object Value)[] attributes)
    {
        // NodeProto and AttributeProto of onnx/onnx: onnx.proto.
        var node = new ProtobufMessage();
        foreach (var input in inputs)
            node.Text(1, input);
        foreach (var output in outputs)
            node.Text(2, output);
        node.Text(3, outputs[0]).Text(4, operation);
        foreach (var (attribute, value) in attributes)
            node.Message(5, Attribute(attribute, value));
        _nodes.Add(node);
        return outputs;
    }

    private static ProtobufMessage Attribute(string name, object value)
    {
        const int Integer = 2, Integers = 7;
        var attribute = new ProtobufMessage().Text(1, name);
        if (value is not long[] list)
            return attribute.Integer(3, Convert.ToInt64(value, System.Globalization.CultureInfo.InvariantCulture)).Integer(20, Integer);
        foreach (var item in list)
            attribute.Integer(8, item);
        return attribute.Integer(20, Integers);
    }
}
