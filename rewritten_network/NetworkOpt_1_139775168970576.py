import sys
import mindspore
from mindspore import nn
from mindspore.nn import Cell
from mindspore.ops import functional as F
#
#
sys.path.insert(0, '/tmp/w/he/src/model')
from layers import ConvNormAct

class ConvNormActOpt(ConvNormAct, nn.Cell):

    def __init__(self):
        nn.Cell.__init__(self)
        for key, value in ConvNormAct.__dict__.items():
            if not key.startswith('__'):
                setattr(ConvNormActOpt, key, value)
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.nn.cell import Cell
from conv import _Conv

class _ConvOpt(_Conv, Cell):

    def __init__(self):
        Cell.__init__(self)
        for key, value in _Conv.__dict__.items():
            if not key.startswith('__'):
                setattr(_ConvOpt, key, value)
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from normalization import _BatchNorm

class _BatchNormOpt(_BatchNorm, Cell):

    def __init__(self):
        Cell.__init__(self)
        for key, value in _BatchNorm.__dict__.items():
            if not key.startswith('__'):
                setattr(_BatchNormOpt, key, value)
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from conv import Conv2d
from mindspore.train.amp import amp_cast

class Conv2dOpt_67(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')
from mindspore import nn, ops

class ConvNormActOpt_39(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_67(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = IdentityOpt_15(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_66(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_65(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')
from layers import SqueezeExcite

class SqueezeExciteOpt_13(SqueezeExcite, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.reduce = Conv2dOpt_65(self.reduce)
        self.act = SiLUOpt_20(self.act)
        self.expand = Conv2dOpt_66(self.expand)
        self.gate = SigmoidOpt_7(self.gate)

    def construct(self, means):
        compare_var = self.fused is not None
        if compare_var:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias, self.options)
            return gate
        reduce_var = self.reduce(means)
        act_var = self.act(reduce_var)
        expand_var = self.expand(act_var)
        gate_var = self.gate(expand_var)
        return gate_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_64(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_38(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_64(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = SiLUOpt_20(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_63(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_37(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_63(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = SiLUOpt_20(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')
from blocks import MBConv

class MBConvOpt_13(MBConv, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.expand = ConvNormActOpt_37(self.expand)
        self.depthwise = ConvNormActOpt_38(self.depthwise)
        self.se = SqueezeExciteOpt_13(self.se)
        self.depthwise = ConvNormActOpt_38(self.depthwise)
        self.project = ConvNormActOpt_39(self.project)
        self.drop_path = IdentityOpt_15(self.drop_path)
        self.project = ConvNormActOpt_39(self.project)

    def construct(self, x):
        expand_var = self.expand(x)
        y, gate = (expand_var, None)
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            project_var = self.project(y, gate)
            drop_path_var = self.drop_path(project_var)
            add_var = drop_path_var + x
            return add_var
        ifexp_var = x if self.residual else None
        project_var = self.project(y, gate, ifexp_var)
        return project_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_62(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_36(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_62(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = IdentityOpt_15(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_61(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_60(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class SqueezeExciteOpt_12(SqueezeExcite, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.reduce = Conv2dOpt_60(self.reduce)
        self.act = SiLUOpt_20(self.act)
        self.expand = Conv2dOpt_61(self.expand)
        self.gate = SigmoidOpt_7(self.gate)

    def construct(self, means):
        compare_var = self.fused is not None
        if compare_var:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias, self.options)
            return gate
        reduce_var = self.reduce(means)
        act_var = self.act(reduce_var)
        expand_var = self.expand(act_var)
        gate_var = self.gate(expand_var)
        return gate_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_59(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_35(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_59(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = SiLUOpt_20(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_58(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_34(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_58(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = SiLUOpt_20(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')

class MBConvOpt_12(MBConv, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.expand = ConvNormActOpt_34(self.expand)
        self.depthwise = ConvNormActOpt_35(self.depthwise)
        self.se = SqueezeExciteOpt_12(self.se)
        self.depthwise = ConvNormActOpt_35(self.depthwise)
        self.project = ConvNormActOpt_36(self.project)
        self.drop_path = IdentityOpt_15(self.drop_path)
        self.project = ConvNormActOpt_36(self.project)

    def construct(self, x):
        expand_var = self.expand(x)
        y, gate = (expand_var, None)
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            project_var = self.project(y, gate)
            drop_path_var = self.drop_path(project_var)
            add_var = drop_path_var + x
            return add_var
        ifexp_var = x if self.residual else None
        project_var = self.project(y, gate, ifexp_var)
        return project_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_57(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_33(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_57(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = IdentityOpt_15(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_56(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_55(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class SqueezeExciteOpt_11(SqueezeExcite, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.reduce = Conv2dOpt_55(self.reduce)
        self.act = SiLUOpt_20(self.act)
        self.expand = Conv2dOpt_56(self.expand)
        self.gate = SigmoidOpt_7(self.gate)

    def construct(self, means):
        compare_var = self.fused is not None
        if compare_var:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias, self.options)
            return gate
        reduce_var = self.reduce(means)
        act_var = self.act(reduce_var)
        expand_var = self.expand(act_var)
        gate_var = self.gate(expand_var)
        return gate_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_54(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_32(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_54(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = SiLUOpt_20(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_53(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_31(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_53(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = SiLUOpt_20(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')

class MBConvOpt_11(MBConv, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.expand = ConvNormActOpt_31(self.expand)
        self.depthwise = ConvNormActOpt_32(self.depthwise)
        self.se = SqueezeExciteOpt_11(self.se)
        self.depthwise = ConvNormActOpt_32(self.depthwise)
        self.project = ConvNormActOpt_33(self.project)
        self.drop_path = IdentityOpt_15(self.drop_path)
        self.project = ConvNormActOpt_33(self.project)

    def construct(self, x):
        expand_var = self.expand(x)
        y, gate = (expand_var, None)
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            project_var = self.project(y, gate)
            drop_path_var = self.drop_path(project_var)
            add_var = drop_path_var + x
            return add_var
        ifexp_var = x if self.residual else None
        project_var = self.project(y, gate, ifexp_var)
        return project_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_52(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_30(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_52(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = IdentityOpt_15(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_51(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_50(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class SqueezeExciteOpt_10(SqueezeExcite, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.reduce = Conv2dOpt_50(self.reduce)
        self.act = SiLUOpt_20(self.act)
        self.expand = Conv2dOpt_51(self.expand)
        self.gate = SigmoidOpt_7(self.gate)

    def construct(self, means):
        compare_var = self.fused is not None
        if compare_var:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias, self.options)
            return gate
        reduce_var = self.reduce(means)
        act_var = self.act(reduce_var)
        expand_var = self.expand(act_var)
        gate_var = self.gate(expand_var)
        return gate_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_49(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_29(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_49(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = SiLUOpt_20(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_48(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_28(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_48(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = SiLUOpt_20(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')

class MBConvOpt_10(MBConv, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.expand = ConvNormActOpt_28(self.expand)
        self.depthwise = ConvNormActOpt_29(self.depthwise)
        self.se = SqueezeExciteOpt_10(self.se)
        self.depthwise = ConvNormActOpt_29(self.depthwise)
        self.project = ConvNormActOpt_30(self.project)
        self.drop_path = IdentityOpt_15(self.drop_path)
        self.project = ConvNormActOpt_30(self.project)

    def construct(self, x):
        expand_var = self.expand(x)
        y, gate = (expand_var, None)
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            project_var = self.project(y, gate)
            drop_path_var = self.drop_path(project_var)
            add_var = drop_path_var + x
            return add_var
        ifexp_var = x if self.residual else None
        project_var = self.project(y, gate, ifexp_var)
        return project_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_47(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_27(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_47(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = IdentityOpt_15(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_46(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_45(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class SqueezeExciteOpt_9(SqueezeExcite, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.reduce = Conv2dOpt_45(self.reduce)
        self.act = SiLUOpt_20(self.act)
        self.expand = Conv2dOpt_46(self.expand)
        self.gate = SigmoidOpt_7(self.gate)

    def construct(self, means):
        compare_var = self.fused is not None
        if compare_var:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias, self.options)
            return gate
        reduce_var = self.reduce(means)
        act_var = self.act(reduce_var)
        expand_var = self.expand(act_var)
        gate_var = self.gate(expand_var)
        return gate_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_44(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_26(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_44(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = SiLUOpt_20(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_43(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_25(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_43(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = SiLUOpt_20(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')

class MBConvOpt_9(MBConv, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.expand = ConvNormActOpt_25(self.expand)
        self.depthwise = ConvNormActOpt_26(self.depthwise)
        self.se = SqueezeExciteOpt_9(self.se)
        self.depthwise = ConvNormActOpt_26(self.depthwise)
        self.project = ConvNormActOpt_27(self.project)
        self.drop_path = IdentityOpt_15(self.drop_path)
        self.project = ConvNormActOpt_27(self.project)

    def construct(self, x):
        expand_var = self.expand(x)
        y, gate = (expand_var, None)
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            project_var = self.project(y, gate)
            drop_path_var = self.drop_path(project_var)
            add_var = drop_path_var + x
            return add_var
        ifexp_var = x if self.residual else None
        project_var = self.project(y, gate, ifexp_var)
        return project_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_42(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_24(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_42(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = IdentityOpt_15(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_41(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_40(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class SqueezeExciteOpt_8(SqueezeExcite, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.reduce = Conv2dOpt_40(self.reduce)
        self.act = SiLUOpt_20(self.act)
        self.expand = Conv2dOpt_41(self.expand)
        self.gate = SigmoidOpt_7(self.gate)

    def construct(self, means):
        compare_var = self.fused is not None
        if compare_var:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias, self.options)
            return gate
        reduce_var = self.reduce(means)
        act_var = self.act(reduce_var)
        expand_var = self.expand(act_var)
        gate_var = self.gate(expand_var)
        return gate_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_39(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_23(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_39(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = SiLUOpt_20(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_38(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_22(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_38(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = SiLUOpt_20(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')

class MBConvOpt_8(MBConv, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.expand = ConvNormActOpt_22(self.expand)
        self.depthwise = ConvNormActOpt_23(self.depthwise)
        self.se = SqueezeExciteOpt_8(self.se)
        self.depthwise = ConvNormActOpt_23(self.depthwise)
        self.project = ConvNormActOpt_24(self.project)
        self.drop_path = IdentityOpt_15(self.drop_path)
        self.project = ConvNormActOpt_24(self.project)

    def construct(self, x):
        expand_var = self.expand(x)
        y, gate = (expand_var, None)
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            project_var = self.project(y, gate)
            drop_path_var = self.drop_path(project_var)
            add_var = drop_path_var + x
            return add_var
        ifexp_var = x if self.residual else None
        project_var = self.project(y, gate, ifexp_var)
        return project_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_37(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_21(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_37(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = IdentityOpt_15(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from activation import Sigmoid

class SigmoidOpt_7(Sigmoid, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        sigmoid_var = self.sigmoid(x)
        return sigmoid_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_36(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_35(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class SqueezeExciteOpt_7(SqueezeExcite, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.reduce = Conv2dOpt_35(self.reduce)
        self.act = SiLUOpt_20(self.act)
        self.expand = Conv2dOpt_36(self.expand)
        self.gate = SigmoidOpt_7(self.gate)

    def construct(self, means):
        compare_var = self.fused is not None
        if compare_var:
            gate, _, _ = self.fused(means, self.reduce.weight, self.reduce.bias, self.expand.weight, self.expand.bias, self.options)
            return gate
        reduce_var = self.reduce(means)
        act_var = self.act(reduce_var)
        expand_var = self.expand(act_var)
        gate_var = self.gate(expand_var)
        return gate_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from activation import SiLU

class SiLUOpt_20(SiLU, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        silu_var = silu_opt(x)
        return silu_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore.ops.primitive import _primexpr
from normalization import BatchNorm2d

class BatchNorm2dOpt_20(BatchNorm2d, _BatchNormOpt):

    def __init__(self, obj):
        _BatchNormOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self._check_input_dim = obj.__class__._check_input_dim

    @staticmethod
    @_primexpr
    def _check_input_dim(shape, cls_name):
        dim = len(shape)
        _check_dim(dim, 4, cls_name)
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')

class Conv2dOpt_34(Conv2d, _ConvOpt):

    def __init__(self, obj):
        _ConvOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        output = self.conv2d(x, weight_var)
        output = amp_cast(output, mindspore.float32)
        if self.has_bias:
            output_var = amp_cast(output, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            output = self.bias_add(output_var, bias_var)
            output = amp_cast(output, mindspore.float32)
        return output
#
sys.path.insert(0, '/tmp/w/he/src/model')

class ConvNormActOpt_20(ConvNormAct, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.conv = Conv2dOpt_34(self.conv)
        self.norm = BatchNorm2dOpt_20(self.norm)
        self.act = SiLUOpt_20(self.act)

    def construct(self, x, gate=None, residual=None):
        compare_var = self.fused is not None
        if compare_var:
            y = self.fused(x, gate, residual, self.conv.weight, self.norm.gamma, self.norm.beta, self.norm.moving_mean, self.norm.moving_variance, self.norm.training)
            and_var = self.hands_on and self.norm.training
            or_var = self.pooled or and_var
            if or_var:
                return y
            subscript_var = y[0]
            return subscript_var
        ifexp_var_1 = x if gate is None else x * gate
        conv_var = self.conv(ifexp_var_1)
        norm_var = self.norm(conv_var)
        y = self.act(norm_var)
        y = y if residual is None else y + residual
        ifexp_var = (y, ops.mean(y, (2, 3), True)) if self.pooled else y
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from basic import Identity

class IdentityOpt_15(Identity, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, input):
        return input
#
sys.path.insert(0, '/tmp/w/he/src/model')

class MBConvOpt_7(MBConv, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.expand = IdentityOpt_15(self.expand)
        self.depthwise = ConvNormActOpt_20(self.depthwise)
        self.se = SqueezeExciteOpt_7(self.se)
        self.depthwise = ConvNormActOpt_20(self.depthwise)
        self.project = ConvNormActOpt_21(self.project)
        self.drop_path = IdentityOpt_15(self.drop_path)
        self.project = ConvNormActOpt_21(self.project)

    def construct(self, x):
        expand_var = self.expand(x)
        y, gate = (expand_var, None)
        if self.gated:
            y, means = self.depthwise(y)
            gate = self.se(means)
        else:
            y = self.depthwise(y)
        if self.drops:
            project_var = self.project(y, gate)
            drop_path_var = self.drop_path(project_var)
            add_var = drop_path_var + x
            return add_var
        ifexp_var = x if self.residual else None
        project_var = self.project(y, gate, ifexp_var)
        return project_var
#
sys.path.insert(0, '/tmp/w/ms/lib/python3.11/site-packages/mindspore/nn/layer')
from mindspore import ops
from basic import Dense

class DenseOpt_1(Dense, Cell):

    def __init__(self, obj):
        Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        x_var = amp_cast(x, mindspore.bfloat16)
        x_shape = self.shape_op(x_var)
        x_shape = amp_cast(x_shape, mindspore.float32)
        len_var_1 = len(x_shape)
        compare_var_1 = len_var_1 != 2
        if compare_var_1:
            subscript_var = x_shape[-1]
            usub_var = -1
            tuple_var = (usub_var, subscript_var)
            x_var_4 = amp_cast(x, mindspore.bfloat16)
            tuple_var = amp_cast(tuple_var, mindspore.bfloat16)
            x = self.reshape(x_var_4, tuple_var)
            x = amp_cast(x, mindspore.float32)
        x_var_1 = amp_cast(x, mindspore.bfloat16)
        weight_var = amp_cast(self.weight, mindspore.bfloat16)
        x = self.matmul(x_var_1, weight_var)
        x = amp_cast(x, mindspore.float32)
        if self.has_bias:
            x_var_3 = amp_cast(x, mindspore.bfloat16)
            bias_var = amp_cast(self.bias, mindspore.bfloat16)
            x = self.bias_add(x_var_3, bias_var)
            x = amp_cast(x, mindspore.float32)
        if self.activation_flag:
            x = self.activation(x)
        len_var = len(x_shape)
        compare_var = len_var != 2
        if compare_var:
            subscript_var_2 = ops.shape(x)[-1]
            tuple_var_1 = (subscript_var_2,)
            subscript_var_1 = x_shape[:-1]
            out_shape = subscript_var_1 + tuple_var_1
            x_var_2 = amp_cast(x, mindspore.bfloat16)
            out_shape = amp_cast(out_shape, mindspore.bfloat16)
            x = self.reshape(x_var_2, out_shape)
            x = amp_cast(x, mindspore.float32)
        return x

    def extend_repr(self):
        s = f'input_channels={self.in_channels}, output_channels={self.out_channels}'
        if self.has_bias:
            s += f', has_bias={self.has_bias}'
        if self.activation_flag:
            s += f', activation={self.activation}'
        return s
#
sys.path.insert(0, '/tmp/w/he/src/model')
import mindspore as ms
from layers import Uniform

class UniformOpt_1(Uniform, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, count):
        ones_like_var = ones_like_opt(self.counter)
        counter = assign_add_opt(self.counter, ones_like_var)
        mult_var_1 = counter * self.weyl
        arange_var = ops.arange(0, count, 1, dtype=ms.int32)
        x = arange_var + mult_var_1
        x = self.mix(x, 16, 2146121005)
        usub_var = -2073254261
        x = self.mix(x, 15, usub_var)
        x = self.mix(x, 16, 1)
        div_var = 1.0 / 16777216
        bitwise_and_var = bitwise_and_opt(x, 16777215)
        cast_var = cast_opt(bitwise_and_var, ms.float32)
        mult_var = cast_var * div_var
        return mult_var

    def mix(self, x, shift, factor):
        sub_var_1 = 32 - shift
        lshift_var = 1 << sub_var_1
        sub_var = lshift_var - 1
        bitwise_right_shift_var = bitwise_right_shift_opt(x, shift)
        bitwise_and_var = bitwise_and_opt(bitwise_right_shift_var, sub_var)
        bitwise_xor_var = bitwise_xor_opt(x, bitwise_and_var)
        mult_var = bitwise_xor_var * factor
        return mult_var
#
sys.path.insert(0, '/tmp/w/he/src/model')
from layers import Dropout

class DropoutOpt_1(Dropout, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.uniform = UniformOpt_1(self.uniform)

    def construct(self, x):
        not_var = not self.training
        if not_var:
            return x
        subscript_var_1 = x.shape[1]
        subscript_var = x.shape[0]
        mult_var_2 = subscript_var * subscript_var_1
        uniform_var = self.uniform(mult_var_2)
        draw = reshape_opt(uniform_var, x.shape)
        sub_var = 1 - self.rate
        div_var = 1 / sub_var
        compare_var = draw >= self.rate
        cast_var = cast_opt(compare_var, x.dtype)
        mult_var_1 = x * cast_var
        mult_var = mult_var_1 * div_var
        return mult_var
#
sys.path.insert(0, '/tmp/w/he/src/model')
from layers import GlobalPool

class GlobalPoolOpt_1(GlobalPool, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        ifexp_var = self.fused(x) if self.fused is not None else ops.mean(x, (2, 3))
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')
from blocks import Classifier

class ClassifierOpt_1(Classifier, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.pool = GlobalPoolOpt_1(self.pool)
        self.dropout = DropoutOpt_1(self.dropout)
        self.dense = DenseOpt_1(self.dense)

    def construct(self, x):
        pool_var = self.pool(x)
        dropout_var = self.dropout(pool_var)
        dense_var = self.dense(dropout_var)
        return dense_var
#
sys.path.insert(0, '/tmp/w/he/src/model')
from blocks import ConvBlock

class ConvBlockOpt_2(ConvBlock, ConvNormActOpt):

    def __init__(self, obj):
        ConvNormActOpt.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
#
sys.path.insert(0, '/tmp/w/he/src/model')
from layers import ToLayers

class ToLayersOpt_1(ToLayers, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)

    def construct(self, x):
        ifexp_var = self.fused(x) if self.fused is not None else x
        return ifexp_var
#
sys.path.insert(0, '/tmp/w/he/src/model')
from network import Network

class NetworkOpt_1(Network, nn.Cell):

    def __init__(self, obj):
        nn.Cell.__init__(self)
        for key, value in obj.__dict__.items():
            setattr(self, key, value)
        self.enter = ToLayersOpt_1(self.enter)
        self.stem = ConvBlockOpt_2(self.stem)
        self.stages[0][0] = MBConvOpt_7(self.stages[0][0])
        self.stages[1][0] = MBConvOpt_8(self.stages[1][0])
        self.stages[2][0] = MBConvOpt_9(self.stages[2][0])
        self.stages[3][0] = MBConvOpt_10(self.stages[3][0])
        self.stages[4][0] = MBConvOpt_11(self.stages[4][0])
        self.stages[5][0] = MBConvOpt_12(self.stages[5][0])
        self.stages[6][0] = MBConvOpt_13(self.stages[6][0])
        self.head = ConvBlockOpt_2(self.head)
        self.classifier = ClassifierOpt_1(self.classifier)

    def construct(self, x):
        enter_var = self.enter(x)
        stem_var = self.stem(enter_var)
        stages_var = self.stages(stem_var)
        head_var = self.head(stages_var)
        classifier_var = self.classifier(head_var)
        return classifier_var
#